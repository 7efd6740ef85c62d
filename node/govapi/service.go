package govapi

import (
	"net/http"
	"sort"

	"concordat/governance/tables"
	"concordat/ledger"
	"concordat/ledger/jsondoc"
	"concordat/ledger/kv"
	"concordat/node/frontend"
)

func getConstitution(c *frontend.Context) error {
	text, ok, err := tables.ConstitutionText.Get(c.Tx())
	if err != nil {
		return err
	}
	if !ok {
		return notFound("Constitution not found")
	}
	return c.Raw(http.StatusOK, typeJS, []byte(text))
}

type configView struct {
	NodeDays    uint64 `json:"maximumNodeCertificateValidityDays"`
	ServiceDays uint64 `json:"maximumServiceCertificateValidityDays"`
	Window      uint64 `json:"recentCoseProposalsWindowSize"`
	Threshold   uint64 `json:"recoveryThreshold"`
}

type infoView struct {
	Certificate   string               `json:"certificate"`
	Configuration *configView          `json:"configuration,omitempty"`
	Creation      string               `json:"creationTransactionId,omitempty"`
	Previous      string               `json:"previousServiceCreationTransactionId,omitempty"`
	RecoveryCount uint64               `json:"recoveryCount"`
	ServiceData   any                  `json:"serviceData"`
	Status        tables.ServiceStatus `json:"status"`
}

func getInfo(c *frontend.Context) error {
	service, ok, err := tables.Service.Get(c.Tx())
	if err != nil {
		return err
	}
	if !ok {
		return notFound("Service info not available")
	}
	out := infoView{
		Certificate: service.Cert, Creation: service.CurrentServiceCreateTxID,
		ServiceData: orNull(service.ServiceData), Status: service.Status,
	}
	if service.RecoveryCount != nil {
		out.RecoveryCount = *service.RecoveryCount
	}
	if p := service.PreviousServiceIdentityVersion; p != nil {
		out.Previous = ledger.TxID{View: viewAt(c.Ledger().ViewHistory(), *p), Seqno: *p}.String()
	}
	config, ok, err := tables.Config.Get(c.Tx())
	if err != nil {
		return err
	}
	if ok {
		out.Configuration = &configView{config.NodeValidityDays(), config.ServiceValidityDays(), config.Window(), config.RecoveryThreshold}
	}
	return answer(c, out)
}

// viewAt is the view of a seqno, by the first seqno of each view.
func viewAt(history []ledger.Seqno, seqno ledger.Seqno) ledger.View {
	after := sort.Search(len(history), func(i int) bool { return history[i] > seqno })
	return ledger.View(after)
}

type memberView struct {
	Certificate   string              `json:"certificate,omitempty"`
	MemberData    any                 `json:"memberData"`
	MemberID      string              `json:"memberId"`
	EncryptionKey string              `json:"publicEncryptionKey,omitempty"`
	RecoveryRole  tables.RecoveryRole `json:"recoveryRole"`
	Status        tables.MemberStatus `json:"status"`
}

func viewMember(tx *kv.Tx, id string, info tables.MemberInfo) memberView {
	cert, _ := tables.MemberCerts.PEM(tx, id)
	key, hasKey := tables.MemberKeys.PEM(tx, id)
	return memberView{cert, orNull(info.MemberData), id, key, info.EffectiveRole(hasKey), info.Status}
}

func listMembers(c *frontend.Context) error {
	out := newList()
	err := tables.Members.Each(c.Tx(), func(id string, info tables.MemberInfo) bool {
		out.Value = append(out.Value, viewMember(c.Tx(), id, info))
		return true
	})
	if err != nil {
		return err
	}
	return answer(c, out)
}

func getMember(c *frontend.Context) error {
	id, err := memberParam(c)
	if err != nil {
		return err
	}
	info, ok, err := tables.Members.Get(c.Tx(), id)
	if err != nil {
		return err
	}
	if !ok {
		return notFound("Member m[%s] does not exist.", id)
	}
	return answer(c, viewMember(c.Tx(), id, info))
}

// userView shows the whole row of the user's data, as CCF does.
type userView struct {
	Certificate string `json:"certificate"`
	UserData    any    `json:"userData"`
	UserID      string `json:"userId"`
}

func viewUser(tx *kv.Tx, id string) (userView, error) {
	cert, _ := tables.UserCerts.PEM(tx, id)
	row, ok := tables.Bytes{Name: tables.UsersInfo}.Get(tx, id)
	if !ok {
		return userView{cert, nil, id}, nil
	}
	_, err := jsondoc.Parse(row)
	return userView{cert, jsondoc.Opaque(row), id}, err
}

func listUsers(c *frontend.Context) error {
	out := newList()
	for _, id := range tables.UserCerts.Keys(c.Tx()) {
		user, err := viewUser(c.Tx(), id)
		if err != nil {
			return err
		}
		out.Value = append(out.Value, user)
	}
	return answer(c, out)
}

func getUser(c *frontend.Context) error {
	id, err := idParam(c, "userId", "user")
	if err != nil {
		return err
	}
	if !tables.UserCerts.Has(c.Tx(), id) {
		return notFound("User u[%s] does not exist.", id)
	}
	user, err := viewUser(c.Tx(), id)
	if err != nil {
		return err
	}
	return answer(c, user)
}
