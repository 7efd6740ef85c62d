package appapi

import (
	"context"
	"log/slog"
)

// log writes what a script printed, with the tag CCF's logs carry.
func (a *App) log(level slog.Level, tag, msg string) {
	a.cfg.Log.Log(context.Background(), level, "["+tag+"] "+msg)
}
