// Command concordat is the whole product in one binary: the replica, the
// development sandbox, and the tools of members, operators and auditors.
package main

import (
	"os"

	"concordat/node/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], cli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, os.Getenv))
}
