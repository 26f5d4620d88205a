package builtins

import (
	"embed"
	"path"
	"strings"
	"sync"

	"github.com/nsscript/nsscript/runtime"
)

//go:embed topics/*.star
var topicFiles embed.FS

// topics is what the reference says of the language and its modules: a file each. The functions in the files have no
// body: they stand for those of the module that the file is named after.
var topics = sync.OnceValue(func() (all []*runtime.Topic) {
	files, err := topicFiles.ReadDir("topics")
	if err != nil {
		panic("builtins: topics: " + err.Error())
	}
	for _, file := range files {
		src, err := topicFiles.ReadFile(path.Join("topics", file.Name()))
		if err != nil {
			panic("builtins: topics: " + err.Error())
		}
		name := strings.TrimSuffix(file.Name(), ".star")
		t, err := runtime.ParseTopic(name, name+".", src)
		if err != nil {
			panic("builtins: topics: " + err.Error())
		}
		all = append(all, t)
	}
	return all
})
