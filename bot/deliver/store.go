package deliver

import (
	"context"

	"github.com/countersign/countersign/workflow"
)

// Batches reads batches and their changes; workflow.Store describes each.
type Batches interface {
	Batch(ctx context.Context, number int64) (*workflow.Batch, error)
	List(ctx context.Context, limit int, states ...workflow.State) ([]*workflow.Batch, error)
	Following(ctx context.Context, number int64) ([]*workflow.Batch, error)
	Summary(ctx context.Context, number int64) (workflow.Summary, error)
	Changes(
		ctx context.Context, number int64, after, limit int, states ...workflow.ChangeState,
	) ([]workflow.Change, error)
}

// Posts remembers what is in Slack.
type Posts interface {
	// Post returns the post of that key; false when there is none.
	Post(ctx context.Context, key string) (workflow.Post, bool, error)
	SavePost(ctx context.Context, p workflow.Post) error
	Posts(ctx context.Context, batch int64) ([]workflow.Post, error)
	DeletePost(ctx context.Context, key string) error
	// Revisions returns the batches whose posts may be behind, with their revisions.
	Revisions(ctx context.Context) (map[int64]int64, error)
}
