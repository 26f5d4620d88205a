package kernel

import "testing"

// TestLevel gives a namespace settings that no new one is to have.
func TestLevel(t *testing.T) {
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, err := m.Make("level", false)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Forget()
	err = n.Do(func() error {
		if found, err := deviations(); err != nil || len(found) > 0 {
			t.Errorf("a new namespace deviates: %v, %v", found, err)
		}
		for _, b := range baseline {
			for _, link := range []string{"all", "default", "lo"} {
				other := map[string]string{"0": "1", "1": "0"}[b.value]
				if err := writeSysctl("net/ipv4/conf/"+link+"/"+b.key, other); err != nil {
					return err
				}
			}
		}
		m.deviating = nil
		settings, err := m.deviate()
		if err == nil {
			err = level(settings)
		}
		if err != nil {
			return err
		}
		found, err := deviations()
		if len(found) > 0 {
			t.Errorf("still deviating: %v", found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
