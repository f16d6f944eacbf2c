package service

import (
	"context"
	"math/rand/v2"
	"net"
	"net/http"
)

// Network is how a service reaches the world and is reached. The zero value is this machine's own; tests in fake time
// bring one that is in memory, for real sockets let no fake time pass.
type Network struct {
	Slack     *http.Client // nil means the bot's own
	Atlassian *http.Client // nil means the client's own
	// Dial opens the Socket Mode connections; nil means as slack-go does.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Listen opens the sockets of the status server; nil means net.ListenConfig's.
	Listen func(ctx context.Context, network, address string) (net.Listener, error)
	// Dice gives each part that spreads its retries a source of its own; nil means that they take one by themselves.
	Dice func() *rand.Rand
}

func (n Network) listen(ctx context.Context, kind, address string) (net.Listener, error) {
	if n.Listen != nil {
		return n.Listen(ctx, kind, address)
	}
	var config net.ListenConfig
	return config.Listen(ctx, kind, address)
}

func (n Network) dice() *rand.Rand {
	if n.Dice == nil {
		return nil
	}
	return n.Dice()
}
