package circleci

import "fmt"

// Runs lists where a configuration or an orb has scripts: the path of each "run" with
// its name behind it, such as "jobs/build/steps/3". It looks everywhere, also where no
// job or command has its steps; a step that is run tells its path in [Step.Places].
func Runs(d Document) map[string]string {
	found := map[string]string{}
	runs(d, "", found)
	return found
}

func runs(value any, path string, found map[string]string) {
	switch value := value.(type) {
	case Document:
		for _, key := range keys(value) {
			if key == "run" {
				found[path] = text(mapping(value[key])["name"])
				continue
			}
			below := key
			if path != "" {
				below = path + "/" + key
			}
			runs(value[key], below, found)
		}
	case []any:
		for i, item := range value {
			runs(item, fmt.Sprintf("%s/%d", path, i), found)
		}
	}
}

// Examples are the configurations that an orb shows, by their names.
func Examples(orb Document) map[string]Document {
	found := map[string]Document{}
	for name, example := range mapping(orb["examples"]) {
		found[name] = mapping(mapping(example)["usage"])
	}
	return found
}
