package enqueue

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/ecpayq/ecpayq/tasks"
)

func TestABackendNeedsThisPackageAloneForEveryIntent(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("intents.go")
	if err != nil {
		t.Fatal(err)
	}
	source := strings.Join(strings.Fields(string(b)), " ")
	for _, typ := range tasks.Types() {
		name := reflect.TypeOf(typ.New()).Elem().Name()
		if alias := " " + name + " = tasks." + name + " "; !strings.Contains(source, alias) {
			t.Errorf("intents.go has no%sfor %s", alias, typ.Name)
		}
		for f := range reflect.TypeOf(typ.New()).Elem().Fields() {
			of := f.Type
			for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
				of = of.Elem()
			}
			if of.Kind() == reflect.Struct && !strings.Contains(source, " "+of.Name()+" = "+of.String()+" ") {
				t.Errorf("intents.go has no alias of %s, the %s of %s", of, f.Name, typ.Name)
			}
		}
		if want := string(typ.Operation.Category) + typ.Operation.Name; name != want {
			t.Errorf("the payload of %s is called %s, want %s", typ.Name, name, want)
		}
	}
}
