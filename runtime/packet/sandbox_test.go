package packet

import (
	"testing"

	"github.com/nsscript/nsscript/runtime/nstest"
)

func TestMain(m *testing.M) { nstest.Main(m) }
