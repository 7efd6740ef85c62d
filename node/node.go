package node

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"concordat/consensus"
	"concordat/governance"
	"concordat/js-apps/api"
	"concordat/ledger"
	"concordat/ledger/keys"
	"concordat/ledger/kv"
	"concordat/ledger/secret"
	"concordat/node/appapi"
	"concordat/node/frontend"
	"concordat/node/historical"
	"concordat/node/httpd"
)

// Node is one running replica.
type Node struct {
	opts Options
	id   *identity
	peer *peerAddress
	rpc  []*listener

	state   *kv.Store
	secrets *secret.Chain
	replica *consensus.Replica
	signer  *signer
	rekeys  *governance.Rekeys

	apps     *api.Apps
	app      *appapi.App
	history  *historical.Cache
	frontend *frontend.Frontend
	server   *httpd.Server

	// Written by commit hooks, read by anybody.
	govOpen, appOpen atomic.Bool
	lastSigned       atomic.Uint64
	stopNotice       atomic.Bool
	selfSigned       atomic.Pointer[string]

	failed chan error // holds the first fatal error
	once   sync.Once
}

// Start founds a service and serves it. When it returns, the genesis transaction
// is in the ledger, the output files are written and all interfaces listen.
func Start(o Options) (*Node, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	n := &Node{opts: o, failed: make(chan error, 1)}
	if err := n.start(); err != nil {
		return nil, errors.Join(err, n.release(context.Background()))
	}
	return n, nil
}

func (n *Node) start() (err error) {
	c := n.opts.Config
	if n.rpc, n.peer, err = bind(c); err != nil {
		return err
	}
	options, err := n.opts.identity(n.published())
	if err != nil {
		return err
	}
	now := n.opts.Now()
	if n.id, err = newIdentity(n.opts.Random, now, options, n.opts.Platform); err != nil {
		return err
	}
	genesis, err := n.genesis()
	if err != nil {
		return err
	}
	if err := genesis.Check(); err != nil {
		return err
	}
	if err := n.openLedger(); err != nil {
		return err
	}
	if err := n.wire(); err != nil {
		return err
	}
	if err := n.found(genesis); err != nil {
		return err
	}
	if err := n.writeOutputs(); err != nil {
		return err
	}
	return n.serve()
}

func (n *Node) published() map[string]string {
	m := map[string]string{}
	for _, l := range n.rpc {
		m[l.name] = l.published
	}
	return m
}

// openLedger makes the state, registers what follows it, and starts consensus.
func (n *Node) openLedger() (err error) {
	if n.state, err = openState(&n.opts, n.fatal); err != nil {
		return err
	}
	n.secrets = &secret.Chain{}
	if err := n.secrets.Add(1, n.id.firstSecret, nil); err != nil {
		return err
	}
	n.signer = &signer{
		random: n.opts.Random, now: n.opts.Now, node: n.id.node, nodeID: n.id.node.ID(), service: n.id.service,
	}
	if cose := n.opts.Config.Command.Start.COSE; cose != nil {
		n.signer.issuer, n.signer.subject = cose.Issuer, cose.Subject
	}
	endorsed, self := string(n.id.endorsed), string(n.id.selfSigned)
	n.signer.endorsed.Store(&endorsed)
	n.selfSigned.Store(&self)
	n.rekeys = &governance.Rekeys{Secrets: n.secrets}
	n.follow()
	n.state.Start()
	if n.replica, err = consensus.Start(n.replicaConfig(n.opts.Config, n.secrets)); err != nil {
		return fmt.Errorf("ledger.directory: %w", err)
	}
	return nil
}

// found sequences the genesis transaction.
func (n *Node) found(g *governance.Genesis) error {
	tx := n.replica.Begin()
	if err := g.Write(tx); err != nil {
		tx.Release()
		return err
	}
	id, err := n.replica.Submit(tx, consensus.SubmitOptions{})
	if err != nil {
		return fmt.Errorf("writing the genesis transaction: %w", err)
	}
	if id != governance.GenesisID {
		return fmt.Errorf("the genesis transaction became %s instead of %s", id, governance.GenesisID)
	}
	return nil
}

// raftID is the Raft identity of a node: the first eight bytes of its id, kept
// away from the values Raft reserves.
func raftID(nodeID string) uint64 {
	b, err := hex.DecodeString(nodeID)
	if err != nil || len(b) < 8 {
		return 1
	}
	id := binary.BigEndian.Uint64(b)
	if id == 0 || id >= ^uint64(0)-1 {
		return 1
	}
	return id
}

// serve starts the servers on the bound listeners.
func (n *Node) serve() error {
	self, err := n.certificate(n.id.selfSigned)
	if err != nil {
		return err
	}
	n.server.SetNodeCertificate(self)
	for _, l := range n.rpc {
		go func() { // ends when the server closes the listener
			if err := n.server.Serve(l.Listener, l.iface); err != nil {
				n.fatal(fmt.Errorf("interface %s: %w", l.name, err))
			}
		}()
	}
	return nil
}

// certificate is a certificate of the node's key as TLS wants it: the leaf alone,
// clients have the service's certificate already.
func (n *Node) certificate(pem []byte) (*tls.Certificate, error) {
	cert, err := keys.ParseCertPEM(pem)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: n.id.node.ECDSA(), Leaf: cert}, nil
}

// fatal remembers why the node cannot go on; whoever runs it must stop it.
func (n *Node) fatal(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

// Failed yields the reason why the node must be stopped.
func (n *Node) Failed() <-chan error { return n.failed }

// Notice tells the node that it will be stopped: it stops being ready.
func (n *Node) Notice() { n.stopNotice.Store(true) }

// stopLimit bounds how long a stop waits for what was acknowledged to commit.
const stopLimit = 10 * time.Second

// Stop ends the node in order: no more requests, then the ledger, then the state.
func (n *Node) Stop() (err error) {
	n.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
		defer cancel()
		err = errors.Join(n.release(ctx), n.removePID())
	})
	return err
}

// release gives back whatever was taken so far.
func (n *Node) release(ctx context.Context) error {
	var errs []error
	if n.server != nil {
		errs = append(errs, n.server.Close())
	}
	closeAll(n.rpc)
	if n.replica != nil {
		errs = append(errs, n.replica.Stop(ctx))
	}
	if n.state != nil {
		errs = append(errs, n.state.Close())
	}
	if n.apps != nil {
		n.apps.Close()
	}
	return errors.Join(errs...)
}

// ID is the node's id.
func (n *Node) ID() string { return n.id.node.ID() }

// LastSigned is the newest committed signature.
func (n *Node) LastSigned() ledger.Seqno { return n.lastSigned.Load() }
