package scenario

// Name is the scenario's name.
func (s Scenario) Name() string { return s.name }
