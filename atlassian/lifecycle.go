package atlassian

import (
	"context"
	"net/http"
)

// Disable deactivates a managed account. message, which may be "", is shown with the block (user
// management API, POST lifecycle/disable: a JSON object is required; success is 204).
func (c *Client) Disable(ctx context.Context, id, message string) error {
	body := struct {
		Message string `json:"message,omitempty"`
	}{message}
	return c.manage(ctx, opDisable, http.MethodPost, id, "/lifecycle/disable", body)
}

// Enable activates a managed account (user management API, POST lifecycle/enable; success is 204).
// It sends an empty object, as an empty POST without a type is answered 415 elsewhere in these
// APIs.
func (c *Client) Enable(ctx context.Context, id string) error {
	return c.manage(ctx, opEnable, http.MethodPost, id, "/lifecycle/enable", struct{}{})
}

// Delete starts the deletion of a managed account, which is deactivated at once and gone after 14
// days (user management API, POST lifecycle/delete; success is 200 with a message, older scripts
// expect 204).
func (c *Client) Delete(ctx context.Context, id string) error {
	return c.manage(ctx, opDelete, http.MethodPost, id, "/lifecycle/delete", struct{}{})
}

// CancelDelete stops the deletion of a managed account, and activates it whatever it was before (user
// management API, POST lifecycle/cancel-delete; success is 200 with a message).
func (c *Client) CancelDelete(ctx context.Context, id string) error {
	return c.manage(ctx, opCancelDelete, http.MethodPost, id, "/lifecycle/cancel-delete", struct{}{})
}
