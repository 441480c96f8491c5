package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Backup writes an archive of everything that the server has (samples, state and
// configuration, secrets included) to w. An error means that what was written is not
// a whole archive. The server makes the archive while it runs, and as fast as w
// takes it.
func (c *Client) Backup(ctx context.Context, w io.Writer) error {
	resp, err := c.send(ctx, http.MethodPost, "/admin/backup", nil, nil)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("back up: %w", readError(resp))
	}
	_, err = io.Copy(w, resp.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("the server broke off, its log says why: %w", err)
	}
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return nil
}
