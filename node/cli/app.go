package cli

import (
	"github.com/spf13/cobra"

	"concordat/js-apps/bundle"
)

func (a *app) appCmd() *cobra.Command {
	return a.group("app", "Work with JavaScript applications", "", "  concordat app proposal js-apps/banking > banking.json", a.appProposalCmd())
}

func (a *app) appProposalCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "proposal DIR",
		Short:   "Print the proposal that deploys the app of a folder",
		Long:    "DIR holds app.json and src/. The proposal has one action, set_js_app.",
		Example: "  concordat app proposal js-apps/banking > banking.json",
		Args:    exactArgs(1, "the app's folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := bundle.Build(args[0])
			if err != nil {
				return err
			}
			text, err := b.Proposal(bundle.Options{})
			if err != nil {
				return err
			}
			_, err = a.Out.Write(append(text, '\n'))
			return err
		},
	}
}
