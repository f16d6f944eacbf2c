package main

import (
	"context"
	"errors"
	"io"

	"github.com/rs/zerolog"
)

var errNotBuilt = errors.New("not built")

// demoOptions are the flags of demo.
type demoOptions struct {
	Addr      string // host:port of the page; a free port is taken where this one is
	NoBrowser bool   // only print the address
}

// planOptions are the flags of plan.
type planOptions struct {
	CSV  string // path of the file
	Verb string // action of rows that name none, "" for what the columns imply
}

func runDemo(context.Context, io.Writer, io.Writer, demoOptions) error { return errNotBuilt }

func runServe(context.Context, *Config, zerolog.Logger) error { return errNotBuilt }

func runDoctor(context.Context, *Config, io.Writer) error { return errNotBuilt }

func runPlan(context.Context, *Config, planOptions, io.Writer) error { return errNotBuilt }
