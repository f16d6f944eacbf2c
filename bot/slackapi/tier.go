package slackapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/slack-go/slack"
)

// Surface is where blocks are shown. What a workspace takes may differ between them.
type Surface string

// The surfaces of an app.
const (
	OnMessage Surface = "message"
	OnModal   Surface = "modal"
	OnHome    Surface = "home"
)

// tier is how richly something is drawn. Slack refuses a whole message for one block that it does
// not take, and which blocks these are differs between workspaces and surfaces.
type tier string

// The tiers, the richest first. Whoever draws draws rich; the plainer ones are made of that.
const (
	tierRich  tier = "rich"  // as it was drawn
	tierTable tier = "table" // data tables are tables; charts, containers and the like are words
	tierText  tier = "text"  // headers, sections and what can be pressed; tables are text
)

func tiers() []tier { return []tier{tierRich, tierTable, tierText} }

const (
	// tiersName is the name under which it is remembered which tiers are refused.
	tiersName = "slack/tiers"
	// tierFor is how long a tier counts as refused; so does a new version of the program end it.
	tierFor = 24 * time.Hour
)

// refusedTier is what a surface of a workspace takes, as everything richer was refused.
type refusedTier struct {
	Takes   tier      `json:"takes"`
	Since   time.Time `json:"since"`
	Version string    `json:"version"`
}

// drawn is what is sent in a tier.
type drawn struct {
	tier   tier
	blocks []slack.Block
	raw    string // the blocks as they are sent, to tell two tiers apart
}

// inTiers sends blocks in the richest tier that this workspace is not known to refuse there. When
// Slack refuses them, it sends those of the next plainer tier, and remembers the one that was taken
// for a day. A message of which every tier is refused goes as its text alone: that says nothing of
// the workspace, and is not remembered. send is called once for each try.
func (c *Client) inTiers(ctx context.Context, on Surface, blocks []slack.Block, send func([]slack.Block) error) error {
	all, known := tiersOf(on, blocks), c.refusedTier(ctx, on)
	first, kind := 0, false
	if known.current(c.version) {
		first = tierAt(all, known.Takes)
	}
	for i := first; ; i++ {
		err := send(all[i].blocks)
		if refusesBlocks(on, err) {
			c.logRefusal(on, all[i].tier, err)
			kind = kind || !tooMuch(err)
			if i < len(all)-1 {
				continue
			}
			if on == OnMessage {
				return send(nil)
			}
		}
		switch {
		case kind && triggerSpent(err): // the refused form spent it: the next press begins with this one
			c.noteTier(ctx, on, refusedTier{Takes: all[i].tier, Since: time.Now().UTC(), Version: c.version})
		case err != nil:
		case kind:
			c.noteTier(ctx, on, refusedTier{Takes: all[i].tier, Since: time.Now().UTC(), Version: c.version})
		case known.Takes != "" && i < tierAt(all, known.Takes): // it takes more again
			c.noteTier(ctx, on, refusedTier{})
		}
		return err
	}
}

// Drawn returns blocks in the richest tier that this workspace is not known to refuse there, for
// what Slack gives no answer about: a view in the answer to a submission.
func (c *Client) Drawn(ctx context.Context, on Surface, blocks []slack.Block) []slack.Block {
	all := tiersOf(on, blocks)
	if known := c.refusedTier(ctx, on); known.current(c.version) {
		return all[tierAt(all, known.Takes)].blocks
	}
	return all[0].blocks
}

// current reports whether a refusal still counts.
func (r refusedTier) current(version string) bool {
	age := time.Since(r.Since)
	return r.Takes != "" && r.Version == version && age >= 0 && age < tierFor
}

// tiersOf draws blocks in each tier, the richest first, and leaves out those that are like the one
// before.
func tiersOf(on Surface, blocks []slack.Block) []drawn {
	var out []drawn
	for _, t := range tiers() {
		in := fit(on, plainer(t, blocks))
		raw, err := json.Marshal(in)
		if err != nil { // blocks are plain data; Slack says what it thinks of this one
			raw = []byte(t)
		}
		if len(out) == 0 || out[len(out)-1].raw != string(raw) {
			out = append(out, drawn{t, in, string(raw)})
		}
	}
	return out
}

// tierAt returns where in what was drawn a tier is.
func tierAt(all []drawn, t tier) (at int) {
	for i, d := range all {
		if slices.Index(tiers(), d.tier) <= slices.Index(tiers(), t) {
			at = i
		}
	}
	return at
}

// refusesBlocks reports whether Slack said no to the blocks, rather than to who sent them where.
// Views are answered with invalid_arguments, as their blocks are part of one.
func refusesBlocks(on Surface, err error) bool {
	switch Code(err) {
	case "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long":
		return true
	case "invalid_arguments", "view_too_large":
		return on != OnMessage
	}
	return false
}

// triggerSpent reports whether a modal cannot be opened any more by what was pressed: that says
// nothing of its blocks.
func triggerSpent(err error) bool {
	return slices.Contains([]string{"exchanged_trigger_id", "expired_trigger_id", "invalid_trigger_id"}, Code(err))
}

// tooMuch reports whether the blocks were refused for how many or how long they are: that says
// nothing of what the workspace takes.
func tooMuch(err error) bool {
	return slices.Contains([]string{"msg_blocks_too_long", "invalid_attachments", "view_too_large"}, Code(err))
}

func (c *Client) logRefusal(on Surface, t tier, err error) {
	e, _ := errors.AsType[slack.SlackErrorResponse](err)
	c.log.Error().Str("surface", string(on)).Str("tier", string(t)).Str("code", e.Err).Strs("why", e.ResponseMetadata.Messages).
		Msg("Slack does not take our blocks")
}

// refusedTier returns what is remembered of a surface; the zero value where nothing is.
func (c *Client) refusedTier(ctx context.Context, on Surface) refusedTier {
	c.recallTiers(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tiers[c.tierKey(on)]
}

// noteTier remembers what a surface takes, or with the zero value that it takes all.
func (c *Client) noteTier(ctx context.Context, on Surface, t refusedTier) {
	c.noting.Lock()
	defer c.noting.Unlock()
	c.mu.Lock()
	if c.tiers[c.tierKey(on)] = t; t.Takes == "" {
		delete(c.tiers, c.tierKey(on))
	}
	raw, err := json.Marshal(c.tiers)
	c.mu.Unlock()
	c.log.Info().Str("surface", string(on)).Str("takes", string(cmp.Or(t.Takes, tierRich))).Msg("which blocks this workspace takes")
	if c.memory == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memoryTimeout)
	defer cancel()
	if err == nil {
		err = c.memory.Remember(ctx, tiersName, raw)
	}
	if err != nil {
		c.log.Warn().Err(err).Msg("note which blocks this workspace takes")
	}
}

// tierKey names a surface of the workspace that we are in. The caller holds c.mu.
func (c *Client) tierKey(on Surface) string {
	team := ""
	if c.self != nil { // it is learned before anything is sent
		team = c.self.Team
	}
	return team + "/" + string(on)
}

// recallTiers takes up what was remembered before a restart, once. A note that cannot be read is none.
func (c *Client) recallTiers(ctx context.Context) {
	c.recalledTiers.Do(func() {
		noted := map[string]refusedTier{}
		if c.memory != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memoryTimeout)
			defer cancel()
			raw, err := c.memory.Recall(ctx, tiersName)
			if err == nil && raw != nil {
				err = json.Unmarshal(raw, &noted)
			}
			if err != nil {
				c.log.Warn().Err(err).Msg("recall which blocks this workspace takes")
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.tiers = noted
	})
}
