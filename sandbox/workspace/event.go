package workspace

// hears reports whether the app gets message events of the channel. The caller holds w.mu.
func (w *Workspace) hears(c *Channel) bool {
	return c != nil && c.BotMember && !c.Archived && w.has(c.scope("history"))
}

// emitMessage tells the app of a new message, its own included. The caller holds w.mu.
func (w *Workspace) emitMessage(c *Channel, p *post) <-chan struct{} {
	if !w.hears(c) || p.Ephemeral {
		return nil
	}
	event := w.messageWire(p, false)
	event["channel"], event["channel_type"], event["event_ts"] = c.ID, c.kind(), p.TS
	if c.ExtShared {
		event["user_team"], event["source_team"] = w.teamOf(p.User), w.teamOf(p.User)
	}
	return w.emit(c, event)
}

func (w *Workspace) teamOf(person string) string {
	if p := w.person(person); p != nil {
		return p.TeamID
	}
	return w.cfg.TeamID
}

func (w *Workspace) emitChanged(c *Channel, before map[string]any, p *post) {
	if !w.hears(c) || p.Ephemeral {
		return
	}
	w.emit(c, map[string]any{
		"type": "message", "subtype": "message_changed", "channel": c.ID, "channel_type": c.kind(), "hidden": true,
		"ts": w.nextTS(), "message": w.messageWire(p, false), "previous_message": before,
	})
}

func (w *Workspace) emitDeleted(c *Channel, p *post) {
	if !w.hears(c) || p.Ephemeral {
		return
	}
	w.emit(c, map[string]any{
		"type": "message", "subtype": "message_deleted", "channel": c.ID, "channel_type": c.kind(), "hidden": true,
		"ts": w.nextTS(), "deleted_ts": p.TS, "previous_message": w.messageWire(p, false),
	})
}
