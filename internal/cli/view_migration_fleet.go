package cli

import (
	"io"

	"github.com/kferry/kferry/internal/migration"
)

// fleetView shows to people what became of each migration of a file.
type fleetView struct {
	w     io.Writer
	paint paint
}

func (v fleetView) show(rep *migration.FleetReport) error {
	t := newTable(v.paint, "NAME", "RESULT", "STEP", "DETAIL")
	for i := range rep.Migrations {
		m := &rep.Migrations[i]
		t.cells(cell{text: m.Name}, cell{text: string(m.Result), paint: v.colour(m.Result)}, cell{text: orDash(string(m.Step))}, cell{text: m.Detail})
	}
	return t.write(v.w)
}

func (v fleetView) colour(r migration.FleetResult) func(string) string {
	switch r {
	case migration.FleetDone, migration.FleetThere, migration.FleetWould, migration.FleetCreated, migration.FleetExists, migration.FleetCheckedOnly:
		return v.paint.green
	case migration.FleetFailed, migration.FleetProblems:
		return v.paint.red
	case migration.FleetWaits, migration.FleetEnded, migration.FleetNotTried:
	}
	return v.paint.yellow
}

// migrationFleetJSON is what became of each migration of a file, for programs.
type migrationFleetJSON struct {
	header
	// Action is create or advance.
	Action string `json:"action"`
	// Until is the step to which they were to come.
	Until      string                 `json:"until,omitempty"`
	Complete   bool                   `json:"complete"`
	Migrations []migration.FleetEntry `json:"migrations"`
}

func fleetDoc(action, until string, rep *migration.FleetReport) migrationFleetJSON {
	return migrationFleetJSON{
		header: head("migration-fleet"), Action: action, Until: until, Complete: rep.Complete(), Migrations: list(rep.Migrations),
	}
}
