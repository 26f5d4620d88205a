package kernel

import "testing"

// TestDefaults gives a namespace settings that no new one is to have.
func TestDefaults(t *testing.T) {
	m, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	n, err := m.Make("defaults", false)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Forget()
	err = n.Do(func() error {
		if found, err := differences(); err != nil || len(found) > 0 {
			t.Errorf("a new namespace differs: %v, %v", found, err)
		}
		for _, b := range defaults {
			for _, link := range []string{"all", "default", "lo"} {
				other := map[string]string{"0": "1", "1": "0"}[b.value]
				if err := writeSysctl("net/ipv4/conf/"+link+"/"+b.key, other); err != nil {
					return err
				}
			}
		}
		m.differing = nil
		settings, err := m.differences()
		if err == nil {
			err = setDefaults(settings)
		}
		if err != nil {
			return err
		}
		found, err := differences()
		if len(found) > 0 {
			t.Errorf("still differing: %v", found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
