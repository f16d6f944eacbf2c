package sqlite

import (
	"path/filepath"
	"testing"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/store/storetest"
)

// What the suite makes its batches with.
var (
	hana     = storetest.Hana
	alice    = storetest.Alice
	noon     = storetest.Noon
	newBatch = storetest.NewBatch
	create   = storetest.Create
	sealed   = storetest.Planned
	seal     = storetest.SavePlan
	move     = storetest.Move
	renames  = storetest.Renames
	members  = storetest.Members
	take     = storetest.Take
	readBack = storetest.ReadBack
)

func TestContract(t *testing.T) {
	storetest.Run(t, func(t testing.TB, place string) store.Driver {
		return openAt(t, filepath.Join(place, "countersign.db"))
	})
}
