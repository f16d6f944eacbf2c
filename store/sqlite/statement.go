package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"

	_ "modernc.org/sqlite" // the driver
)

// statementsKept is how many statements a connection keeps ready, each a few KiB of SQLite's memory. The statements of a
// run are fewer; what comes beyond them is compiled each time.
const statementsKept = 64

// openPool opens a pool of connections that compile each statement once. SQLite takes longer to compile most of our
// statements than to run them, and a transaction has a dozen.
func openPool(dsn string) (*sql.DB, error) {
	plain, err := sql.Open("sqlite", dsn) // connects nothing; it knows the driver as it was registered, with its hooks
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{plain.Driver(), dsn}), plain.Close()
}

type connector struct {
	driver driver.Driver
	dsn    string
}

// Connect opens a connection.
func (c connector) Connect(context.Context) (driver.Conn, error) {
	opened, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	conn, ok := opened.(driverConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver lacks what a connection of ours needs"), opened.Close())
	}
	return &keepingConn{driverConn: conn, ready: map[string]driverStmt{}}, nil
}

// Driver is the driver below.
func (c connector) Driver() driver.Driver { return c.driver }

// driverConn is what database/sql asks of a connection of the driver.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type driverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// keepingConn is a connection that keeps compiled statements. database/sql lets one goroutine at a time use it.
type keepingConn struct {
	driverConn
	ready map[string]driverStmt // by text; a statement in use is not among them
}

// take gives a compiled statement, nil for what is not to be kept.
func (c *keepingConn) take(ctx context.Context, query string) (driverStmt, error) {
	if s, ok := c.ready[query]; ok {
		delete(c.ready, query)
		return s, nil
	}
	if !keepable(query) {
		return nil, nil
	}
	prepared, err := c.driverConn.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s, ok := prepared.(driverStmt)
	if !ok {
		return nil, prepared.Close()
	}
	return s, nil
}

// keepable reports whether a text is one statement that reads or writes rows, not a script or what changes the schema.
func keepable(query string) bool {
	query = strings.TrimSpace(query)
	end := strings.IndexAny(query, " \t\n")
	if strings.Contains(query, ";") {
		return false
	}
	if end < 0 {
		end = len(query)
	}
	switch query[:end] {
	case "SELECT", "INSERT", "UPDATE", "DELETE", "SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "ROLLBACK":
		return true
	}
	return query == dataVersion
}

// dataVersion is the number of the file that grows when another connection writes it.
const dataVersion = "PRAGMA data_version"

// give takes a statement back.
func (c *keepingConn) give(query string, s driverStmt) error {
	if _, twice := c.ready[query]; twice || len(c.ready) >= statementsKept {
		return s.Close()
	}
	c.ready[query] = s
	return nil
}

// Close closes the statements too: SQLite holds on to a file with open ones.
func (c *keepingConn) Close() error {
	var failed error
	for _, s := range c.ready {
		failed = errors.Join(failed, s.Close())
	}
	clear(c.ready)
	return errors.Join(failed, c.driverConn.Close())
}

// ExecContext runs a statement.
func (c *keepingConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.driverConn.ExecContext(ctx, query, args)
	}
	result, err := s.ExecContext(ctx, args)
	if err != nil {
		_ = s.Close() // it says the same
		return nil, err
	}
	return result, c.give(query, s)
}

// QueryContext runs a statement that gives rows.
func (c *keepingConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.driverConn.QueryContext(ctx, query, args)
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		_ = s.Close() // it says the same
		return nil, err
	}
	return &keepingRows{Rows: rows, conn: c, query: query, stmt: s}, nil
}

// PrepareContext gives a statement that is kept when it is closed.
func (c *keepingConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.take(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.driverConn.PrepareContext(ctx, query)
	}
	return &keepingStmt{driverStmt: s, conn: c, query: query}, nil
}

type keepingStmt struct {
	driverStmt
	conn  *keepingConn
	query string
}

// Close gives the statement back.
func (s *keepingStmt) Close() error { return s.conn.give(s.query, s.driverStmt) }

// keepingRows give their statement back once they are closed.
type keepingRows struct {
	driver.Rows
	conn   *keepingConn
	query  string
	stmt   driverStmt
	failed bool
}

// Next reads a row.
func (r *keepingRows) Next(dest []driver.Value) error {
	err := r.Rows.Next(dest)
	r.failed = r.failed || err != nil && !errors.Is(err, io.EOF)
	return err
}

// Close gives the statement back, but for one that failed.
func (r *keepingRows) Close() error {
	if r.stmt == nil {
		return nil
	}
	s := r.stmt
	r.stmt = nil
	if err := r.Rows.Close(); err != nil || r.failed {
		_ = s.Close() // it says the same
		return err
	}
	return r.conn.give(r.query, s)
}
