package workspace

import (
	"slices"
	"strings"
)

const (
	pageOfMessages = 100
	pageOfChannels = 100
	maxPage        = 1000 // of messages and channels (docs: conversations.history, conversations.list)
)

// seen returns a channel that the app may ask about, with the scope for its kind.
func (w *Workspace) seen(c *call, right string) (*Channel, error) {
	if err := c.need("channel"); err != nil {
		return nil, err
	}
	in := w.channel(c.arg("channel"))
	if in == nil || (in.Private || in.IM) && !in.BotMember {
		return nil, refuse("channel_not_found")
	}
	return in, w.need(in.scope(right))
}

func conversationsInfo(w *Workspace, c *call) (map[string]any, error) {
	in, err := w.seen(c, "read")
	if err != nil {
		return nil, err
	}
	channel := w.channelWire(in)
	if c.flag("include_num_members") {
		channel["num_members"] = len(w.membersOf(in))
	}
	return map[string]any{"channel": channel}, nil
}

func (w *Workspace) membersOf(c *Channel) []string {
	members := slices.Clone(c.Members)
	if c.BotMember {
		members = append(members, BotUserID)
	}
	return members
}

func conversationsMembers(w *Workspace, c *call) (map[string]any, error) {
	in, err := w.seen(c, "read")
	if err != nil {
		return nil, err
	}
	members, metadata := page(c, w.membersOf(in), pageOfChannels)
	return map[string]any{"members": members, "response_metadata": metadata}, nil
}

func conversationsOpen(w *Workspace, c *call) (map[string]any, error) {
	if id := c.arg("channel"); id != "" {
		in := w.channel(id)
		if in == nil || !in.IM {
			return nil, refuse("channel_not_found")
		}
		return map[string]any{"channel": w.channelWire(in)}, nil
	}
	users := c.list("users")
	switch {
	case len(users) == 0:
		return nil, refuse("users_list_not_supplied")
	case len(users) > 1:
		return nil, w.need("mpim:write") // direct messages of several people are not part of the workspace
	}
	who := w.person(users[0])
	switch {
	case who == nil:
		return nil, refuse("user_not_found")
	case who.Deleted:
		return nil, refuse("user_disabled")
	case who.IsBot:
		return nil, refuse("cannot_dm_bot")
	}
	known := w.channel("D"+strings.TrimLeft(who.ID, "UW")) != nil
	dm := w.openDM(who.ID)
	channel := map[string]any{"id": dm.ID}
	if c.flag("return_im") {
		channel = w.channelWire(dm)
	}
	return map[string]any{"channel": channel, "already_open": known, "no_op": known}, nil
}

func conversationsList(w *Workspace, c *call) (map[string]any, error) {
	return w.listChannels(c, func(*Channel) bool { return true })
}

func usersConversations(w *Workspace, c *call) (map[string]any, error) {
	who := c.arg("user")
	if who == "" {
		who = BotUserID
	}
	if w.person(who) == nil {
		return nil, refuse("user_not_found")
	}
	return w.listChannels(c, func(in *Channel) bool { return in.has(who) })
}

func (w *Workspace) listChannels(c *call, wanted func(*Channel) bool) (map[string]any, error) {
	types := c.list("types")
	if len(types) == 0 {
		types = []string{"public_channel"}
	}
	kinds := map[string]string{"public_channel": "channel", "private_channel": "group", "im": "im", "mpim": "mpim"}
	var asked []string
	for _, word := range types {
		kind, known := kinds[word]
		if !known {
			return nil, refuse("invalid_types")
		}
		scope := (&Channel{IM: kind == "im", Private: kind == "group"}).scope("read")
		if kind == "mpim" {
			scope = "mpim:read"
		}
		if err := w.need(scope); err != nil {
			return nil, err
		}
		asked = append(asked, kind)
	}
	if c.number("limit", pageOfChannels) > maxPage {
		return nil, refuse("invalid_limit")
	}
	list := []map[string]any{}
	for _, in := range w.channels {
		hidden := (in.Private || in.IM) && !in.BotMember || in.Archived && c.flag("exclude_archived")
		if slices.Contains(asked, in.kind()) && !hidden && wanted(in) {
			channel := w.channelWire(in)
			if !in.IM {
				channel["num_members"] = len(w.membersOf(in))
			}
			list = append(list, channel)
		}
	}
	part, metadata := page(c, list, pageOfChannels)
	return map[string]any{"channels": part, "response_metadata": metadata}, nil
}

func conversationsHistory(w *Workspace, c *call) (map[string]any, error) {
	in, err := w.seen(c, "history")
	if err != nil {
		return nil, err
	}
	if !in.BotMember {
		return nil, refuse("not_in_channel")
	}
	var posts []*post
	for _, p := range slices.Backward(w.posts[in.ID]) {
		if !p.Ephemeral && (!p.reply() || p.Subtype == "thread_broadcast") && within(c, p.TS) {
			posts = append(posts, p)
		}
	}
	return w.historyPage(c, posts)
}

func conversationsReplies(w *Workspace, c *call) (map[string]any, error) {
	in, err := w.seen(c, "history")
	if err != nil {
		return nil, err
	}
	if err := c.need("ts"); err != nil {
		return nil, err
	}
	if !in.BotMember {
		return nil, refuse("not_in_channel")
	}
	asked := w.find(in.ID, c.arg("ts"))
	if asked == nil || asked.Ephemeral {
		return nil, refuse("thread_not_found")
	}
	if asked.reply() { // a reply's ts gives that reply alone (docs: conversations.replies)
		return w.historyPage(c, []*post{asked})
	}
	posts := []*post{asked}
	for _, p := range w.posts[in.ID] {
		if p.reply() && p.ThreadTS == asked.TS && !p.Ephemeral && within(c, p.TS) {
			posts = append(posts, p)
		}
	}
	return w.historyPage(c, posts)
}

// within reports whether a ts lies between the arguments oldest and latest; the bounds count only
// with inclusive.
func within(c *call, ts string) bool {
	oldest, latest := c.arg("oldest"), c.arg("latest")
	if c.flag("inclusive") && (ts == oldest || ts == latest) {
		return true
	}
	return (oldest == "" || oldest == "0" || ts > oldest) && (latest == "" || ts < latest)
}

func (w *Workspace) historyPage(c *call, posts []*post) (map[string]any, error) {
	if c.number("limit", pageOfMessages) > maxPage {
		return nil, refuse("invalid_limit")
	}
	part, metadata := page(c, posts, pageOfMessages)
	list := make([]map[string]any, 0, len(part))
	for _, p := range part {
		list = append(list, w.messageWire(p, c.flag("include_all_metadata")))
	}
	reply := map[string]any{"messages": list, "has_more": metadata["next_cursor"] != "", "pin_count": 0}
	if metadata["next_cursor"] != "" {
		reply["response_metadata"] = metadata
	}
	return reply, nil
}
