package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// configWire is a configuration as JSON.
type configWire struct {
	Workspaces  []Workspace   `json:"workspaces"`
	Behaviour   behaviourWire `json:"behaviour"`
	Limits      []Limit       `json:"limits"`
	Faults      []faultWire   `json:"faults"`
	Timings     timingsWire   `json:"timings"`
	ClockOffset wireDuration  `json:"clock_offset"`
}

// Configured returns the options with a JSON object read into them:
// "workspaces", "behaviour", "limits", "faults", "timings" and "clock_offset",
// each with the names of the control endpoint. Values that the object omits
// stay unchanged; unknown names are an error.
func (o Options) Configured(config []byte) (Options, error) {
	timings := DefaultTimings()
	if o.Timings != nil {
		timings = *o.Timings
	}
	wire := configWire{
		Behaviour: newBehaviourWire(o.Behaviour), Timings: newTimingsWire(timings), ClockOffset: wireDuration(o.ClockOffset),
	}
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		return o, fmt.Errorf("read the configuration: %w", err)
	}
	for _, w := range wire.Workspaces {
		for _, p := range w.Policies {
			if _, _, err := parseDefinition(p.Definition); err != nil {
				return o, fmt.Errorf("policy %q of workspace %q: %w", p.Name, w.Name, err)
			}
		}
	}
	timings = wire.Timings.timings()
	o.Behaviour, o.Timings, o.ClockOffset = wire.Behaviour.behaviour(), &timings, time.Duration(wire.ClockOffset)
	if wire.Workspaces != nil {
		o.Workspaces = wire.Workspaces
	}
	if wire.Limits != nil {
		o.Limits = wire.Limits
	}
	for _, fault := range wire.Faults {
		fault.Fault.Delay = time.Duration(fault.Delay)
		o.Faults = append(slices.Clip(o.Faults), fault.Fault)
	}
	return o, nil
}
