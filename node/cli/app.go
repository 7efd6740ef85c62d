package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"concordat/js-apps/bundle"
)

func (a *app) appCmd() *cobra.Command {
	c := &cobra.Command{Use: "app", Short: "Work with JavaScript applications"}
	c.AddCommand(a.appProposalCmd())
	return c
}

func (a *app) appProposalCmd() *cobra.Command {
	return &cobra.Command{
		Use:     "proposal DIR",
		Short:   "Print the proposal that deploys the app of a folder",
		Long:    "DIR holds app.json and src/. The proposal has one action, set_js_app.",
		Example: "  concordat app proposal js-apps/banking > banking.json",
		Args:    exactArgs(1, "the app's folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			b, err := bundle.Read(args[0])
			if err != nil {
				return err
			}
			e := json.NewEncoder(a.Out)
			e.SetEscapeHTML(false)
			return e.Encode(map[string]any{"actions": []any{
				map[string]any{"name": "set_js_app", "args": map[string]any{"bundle": b}},
			}})
		},
	}
}
