package admission

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rule is a test of one rule of the schema, with accepted and rejected specs.
// Every spec is the plain spec with some changed fields.
type rule struct {
	name     string
	accepted []string
	rejected []rejection
}

// rejection is a rejected change, with the expected causes.
type rejection struct {
	change string
	causes []string
}

func allRules() []rule {
	return slices.Concat(sizeRules, machineRules, nameRules, lifeRules, formRules, listRules, referenceRules, boundRules)
}

func TestRules(t *testing.T) {
	for _, rule := range allRules() {
		t.Run(rule.name, func(t *testing.T) {
			g := NewWithT(t)
			for _, change := range rule.accepted {
				err := api.Create(t.Context(), object("accepted", changedSpec(t, minimalSpec, change)), client.DryRunAll)
				g.Expect(rejectionCauses(t, err)).To(BeEmpty(), change)
			}
			for _, rejection := range rule.rejected {
				err := api.Create(t.Context(), object("refused", changedSpec(t, minimalSpec, rejection.change)), client.DryRunAll)
				g.Expect(rejectionCauses(t, err)).To(ConsistOf(withoutValues(rejection.causes)), rejection.change)
			}
		})
	}
}

const (
	chooseSize          = "spec.numWorkers: Forbidden: choose one size: numWorkers, autoscale or isSingleNode: true (only numWorkers: 0 may stand beside the last); remove the others"
	needSize            = "spec.numWorkers: Required value: a size is needed: set numWorkers, autoscale or isSingleNode: true (unless policyID or clusterID supplies it)"
	needRuntime         = "spec.sparkVersion: Required value: a runtime is needed: set sparkVersion, such as 16.4.x-scala2.12 (unless policyID or clusterID supplies it)"
	needMachines        = "spec.nodeTypeID: Required value: machines are needed: set nodeTypeID or instancePoolID (unless policyID or clusterID supplies them)"
	nodeTypeOrPool      = "spec.nodeTypeID: Forbidden: choose nodeTypeID or instancePoolID, not both: a pool decides the node type"
	driverOrPool        = "spec.driverNodeTypeID: Forbidden: choose driverNodeTypeID or a pool, not both: with instancePoolID the driver comes from that pool or from driverInstancePoolID"
	driverPool          = "spec.driverInstancePoolID: Forbidden: driverInstancePoolID needs instancePoolID: a pool for the driver alone is not possible"
	oneCloud            = "spec: Forbidden: choose one of awsAttributes, azureAttributes and gcpAttributes: the one of the workspace's cloud"
	needMinutes         = "spec.autoterminationMinutes: Required value: set autoterminationMinutes to 10 to 10000, or to 0; 0 means never, and so does leaving it out, and an idle cluster costs money (not needed with policyID, clusterID, or another runPolicy than Manual)"
	windowsNeedType     = "spec.updateStrategy.windows: Forbidden: windows and type: Window need each other: set both, or remove both"
	scheduleNeedsPolicy = "spec.schedule: Forbidden: schedule and runPolicy: Scheduled need each other: set both, or remove both"
	fight               = "spec.autoterminationMinutes: Forbidden: runPolicy Running and autoterminationMinutes would fight: set autoterminationMinutes to 0 (0 means never) or remove it, or choose another runPolicy"
	singleNodeKind      = "spec.isSingleNode: Forbidden: isSingleNode needs kind: CLASSIC_PREVIEW; without kind, set numWorkers: 0 and the single-node sparkConf and customTags yourself"
	machineKind         = "spec.useMLRuntime: Forbidden: useMLRuntime needs kind: CLASSIC_PREVIEW; without kind, choose an -ml- sparkVersion"
	photonTwice         = "spec.runtimeEngine: Forbidden: runtimeEngine and a sparkVersion with -photon- exclude each other: remove -photon- from sparkVersion and set runtimeEngine: PHOTON"
	noSingleUser        = "spec.singleUserName: Forbidden: singleUserName needs a dataSecurityMode that has one: DATA_SECURITY_MODE_DEDICATED, SINGLE_USER, DATA_SECURITY_MODE_AUTO, LEGACY_SINGLE_USER or LEGACY_SINGLE_USER_STANDARD; remove singleUserName or change the mode"
	observeWritesNot    = "spec.managementPolicy: Forbidden: managementPolicy Observe writes nothing: remove runPolicy, schedule, updateStrategy, driftPolicy, deletionPolicy, adoptionPolicy, pinned, libraries and accessControlList, and set policyCompliance to Report; or use managementPolicy: Manage"
	observeNeedsID      = "spec.clusterID: Required value: managementPolicy Observe needs clusterID: the id of the cluster to mirror"
)

// observing returns the rejections of fields beside managementPolicy Observe.
func observing(fields ...string) []rejection {
	var all []rejection
	for _, field := range fields {
		all = append(all, rejection{`{managementPolicy: Observe, clusterID: 0318-151752-abed99, ` + field + `}`, []string{observeWritesNot}})
	}
	return all
}

var sizeRules = []rule{
	{
		name: "at most one size [case-06]",
		accepted: []string{
			`{}`,
			`{numWorkers: 0}`,
			`{numWorkers: null, autoscale: {minWorkers: 2, maxWorkers: 12}}`,
			`{numWorkers: null, isSingleNode: true, kind: CLASSIC_PREVIEW}`,
			`{numWorkers: 0, isSingleNode: true, kind: CLASSIC_PREVIEW}`,
			`{numWorkers: 2, isSingleNode: false, kind: CLASSIC_PREVIEW}`,
		},
		rejected: []rejection{
			{`{autoscale: {minWorkers: 2, maxWorkers: 12}}`, []string{chooseSize}},
			{`{numWorkers: 0, autoscale: {minWorkers: 2, maxWorkers: 12}}`, []string{chooseSize}},
			{`{numWorkers: 1, isSingleNode: true, kind: CLASSIC_PREVIEW}`, []string{chooseSize}},
			{`{numWorkers: null, autoscale: {minWorkers: 0, maxWorkers: 1}, isSingleNode: true, kind: CLASSIC_PREVIEW}`, []string{chooseSize}},
		},
	},
	{
		name:     "a size is needed, or something that supplies it",
		accepted: []string{`{numWorkers: null, policyID: 9C6308F703005DF2}`, `{numWorkers: null, clusterID: 0318-151752-abed99}`},
		rejected: []rejection{
			{`{numWorkers: null}`, []string{needSize}},
			{`{numWorkers: null, isSingleNode: false, kind: CLASSIC_PREVIEW}`, []string{needSize}},
		},
	},
	{
		name:     "no fewer workers than none",
		accepted: []string{`{numWorkers: 0}`},
		rejected: []rejection{{`{numWorkers: -1}`, []string{
			"spec.numWorkers: Invalid value: -1: spec.numWorkers in body should be greater than or equal to 0",
			".spec.numWorkers: Invalid value: -1: should be a non-negative integer",
		}}},
	},
	{
		name: "autoscale bounds [case-06]",
		accepted: []string{
			`{numWorkers: null, autoscale: {minWorkers: 0, maxWorkers: 0}}`,
			`{numWorkers: null, autoscale: {minWorkers: 3, maxWorkers: 3}}`,
		},
		rejected: []rejection{
			{
				`{numWorkers: null, autoscale: {minWorkers: 3, maxWorkers: 2}}`,
				[]string{"spec.autoscale.minWorkers: Forbidden: minWorkers must not be greater than maxWorkers"},
			},
			{`{numWorkers: null, autoscale: {minWorkers: 3}}`, []string{"spec.autoscale.maxWorkers: Required value"}},
			{`{numWorkers: null, autoscale: {maxWorkers: 3}}`, []string{"spec.autoscale.minWorkers: Required value"}},
		},
	},
}

var machineRules = []rule{
	{
		name: "node types or pools [case-05]",
		accepted: []string{
			`{nodeTypeID: null, instancePoolID: pool}`,
			`{nodeTypeID: null, instancePoolID: pool, driverInstancePoolID: driver}`,
			`{driverNodeTypeID: Standard_D8ds_v5}`,
		},
		rejected: []rejection{
			{`{instancePoolID: pool}`, []string{nodeTypeOrPool}},
			{`{instancePoolName: pool}`, []string{nodeTypeOrPool}},
			{`{nodeTypeID: null, nodeTypeSelector: {}, instancePoolName: pool}`, []string{nodeTypeOrPool}},
			{`{nodeTypeID: null, instancePoolID: pool, driverNodeTypeID: Standard_D8ds_v5}`, []string{driverOrPool}},
			{
				`{nodeTypeID: null, instancePoolID: pool, driverInstancePoolID: driver, driverNodeTypeID: Standard_D8ds_v5}`,
				[]string{driverOrPool},
			},
			{`{driverInstancePoolID: driver}`, []string{driverPool}},
		},
	},
	{
		name:     "machines are needed, or something that supplies them",
		accepted: []string{`{nodeTypeID: null, policyID: 9C6308F703005DF2}`, `{nodeTypeID: null, clusterID: 0318-151752-abed99}`},
		rejected: []rejection{{`{nodeTypeID: null}`, []string{needMachines}}, {`{nodeTypeID: null, driverNodeTypeID: i3.xlarge}`, []string{needMachines}}},
	},
	{
		name:     "a runtime is needed, or something that supplies it",
		accepted: []string{`{sparkVersion: null, policyID: 9C6308F703005DF2}`, `{sparkVersion: null, clusterID: 0318-151752-abed99}`},
		rejected: []rejection{{`{sparkVersion: null}`, []string{needRuntime}}, {`{sparkVersion: null, runtimeEngine: PHOTON}`, []string{needRuntime}}},
	},
	{
		name:     "one cloud [case-06]",
		accepted: []string{`{awsAttributes: {firstOnDemand: 0}}`, `{azureAttributes: {}}`, `{gcpAttributes: {localSsdCount: 0}}`},
		rejected: []rejection{
			{`{awsAttributes: {}, azureAttributes: {}}`, []string{oneCloud}},
			{`{awsAttributes: {}, gcpAttributes: {}}`, []string{oneCloud}},
			{`{azureAttributes: {}, gcpAttributes: {}}`, []string{oneCloud}},
		},
	},
	{
		name: "spot price",
		accepted: []string{
			`{azureAttributes: {spotBidMaxPrice: "-1"}}`,
			`{azureAttributes: {spotBidMaxPrice: "0.25"}}`,
			`{azureAttributes: {spotBidMaxPrice: "3"}}`,
		},
		rejected: []rejection{
			{`{azureAttributes: {spotBidMaxPrice: "0.0"}}`, []string{
				`spec.azureAttributes.spotBidMaxPrice: Invalid value: "0.0": spotBidMaxPrice must be greater than 0, or -1 for no limit but the on-demand price`,
			}},
			{`{azureAttributes: {spotBidMaxPrice: "-2"}}`, []string{
				`spec.azureAttributes.spotBidMaxPrice: Invalid value: "-2": spec.azureAttributes.spotBidMaxPrice in body should match '^(-1|[0-9]+(\.[0-9]+)?)$'`,
			}},
		},
	},
	{
		name:     "node types, runtimes and regions are Databricks' to judge",
		accepted: []string{`{nodeTypeID: quantum.42xlarge, sparkVersion: 99.9.x-scala9, awsAttributes: {zoneID: mars-north-1a}}`},
	},
	{
		name:     "enums of the Clusters API are verbatim",
		accepted: []string{`{azureAttributes: {availability: SPOT_WITH_FALLBACK_AZURE}}`, `{runtimeEngine: "NULL"}`},
		rejected: []rejection{
			{`{azureAttributes: {availability: Spot}}`, []string{
				`spec.azureAttributes.availability: Unsupported value: "Spot": supported values: "SPOT_AZURE", "ON_DEMAND_AZURE", "SPOT_WITH_FALLBACK_AZURE"`,
			}},
			{`{kind: CLASSIC}`, []string{`spec.kind: Unsupported value: "CLASSIC": supported values: "CLASSIC_PREVIEW"`}},
		},
	},
}

var lifeRules = []rule{
	{
		name:     "auto-termination is 0 or 10 to 10000 minutes [case-06]",
		accepted: []string{`{autoterminationMinutes: 0}`, `{autoterminationMinutes: 10}`, `{autoterminationMinutes: 10000}`},
		rejected: []rejection{
			{`{autoterminationMinutes: 5}`, []string{"spec.autoterminationMinutes: Invalid value: 5: autoterminationMinutes must be 10 to 10000, or 0; 0 means never"}},
			{`{autoterminationMinutes: 10001}`, []string{"spec.autoterminationMinutes: Invalid value: 10001: autoterminationMinutes must be 10 to 10000, or 0; 0 means never"}},
			{`{autoterminationMinutes: -1}`, []string{"spec.autoterminationMinutes: Invalid value: -1: autoterminationMinutes must be 10 to 10000, or 0; 0 means never"}},
		},
	},
	{
		name: "auto-termination is needed where nothing else ends an idle cluster",
		accepted: []string{
			`{autoterminationMinutes: null, policyID: 9C6308F703005DF2}`,
			`{autoterminationMinutes: null, clusterID: 0318-151752-abed99}`,
			`{autoterminationMinutes: null, clusterID: 0318-151752-abed99, managementPolicy: Observe}`,
			`{autoterminationMinutes: null, runPolicy: Running}`,
			`{autoterminationMinutes: null, runPolicy: Terminated}`,
		},
		rejected: []rejection{
			{`{autoterminationMinutes: null}`, []string{needMinutes}},
			{`{autoterminationMinutes: null, runPolicy: Manual}`, []string{needMinutes}},
		},
	},
	{
		name: "runPolicy Running and auto-termination exclude each other",
		accepted: []string{
			`{runPolicy: Running, autoterminationMinutes: 0}`,
			`{runPolicy: Manual}`,
			`{runPolicy: Terminated}`,
		},
		rejected: []rejection{
			{`{runPolicy: Running}`, []string{fight}},
			{`{runPolicy: Running, policyID: 9C6308F703005DF2}`, []string{fight}},
		},
	},
	{
		name:     "Observe needs a cluster",
		accepted: []string{`{managementPolicy: Observe, clusterID: 0318-151752-abed99}`, `{managementPolicy: Manage}`},
		rejected: []rejection{{`{managementPolicy: Observe}`, []string{observeNeedsID}}},
	},
	{
		name: "Observe has no field that only writes use",
		accepted: []string{
			`{managementPolicy: Observe, clusterID: 0318-151752-abed99, runPolicy: Manual, deletionPolicy: Retain, policyCompliance: Report, suspend: true}`,
			`{managementPolicy: Observe, clusterID: 0318-151752-abed99, outputConfigMap: {name: etl}, deletionProtection: true}`,
			`{clusterID: 0318-151752-abed99, policyCompliance: Enforce, deletionPolicy: Terminate}`,
		},
		rejected: observing(
			`runPolicy: Terminated`, `runPolicy: Running, autoterminationMinutes: 0`,
			`runPolicy: Scheduled, schedule: {timeZone: UTC, up: [{days: [Mon], from: "07:00", to: "19:00"}]}`,
			`updateStrategy: {type: Restart}`, `driftPolicy: Correct`, `deletionPolicy: Terminate`, `deletionPolicy: Delete`,
			`adoptionPolicy: Never`, `pinned: false`, `libraries: []`, `accessControlList: []`, `policyCompliance: Enforce`,
		),
	},
	{
		name: "waiting needs a strategy that waits",
		accepted: []string{
			`{updateStrategy: {}}`, `{updateStrategy: {type: Restart}}`, `{updateStrategy: {type: OnTermination}}`,
			`{updateStrategy: {type: OnTermination, maxWaitMinutes: 1}}`,
		},
		rejected: []rejection{
			{`{updateStrategy: {maxWaitMinutes: 60}}`, []string{"spec.updateStrategy.maxWaitMinutes: Forbidden: maxWaitMinutes needs type: OnTermination or Window; with Restart nothing waits"}},
			{`{updateStrategy: {type: Restart, maxWaitMinutes: 60}}`, []string{"spec.updateStrategy.maxWaitMinutes: Forbidden: maxWaitMinutes needs type: OnTermination or Window; with Restart nothing waits"}},
		},
	},
	{
		name: "windows and the strategy Window need each other",
		accepted: []string{
			`{updateStrategy: {type: Window, windows: [{from: "02:00", to: "05:00"}]}}`,
			`{updateStrategy: {type: Window, maxWaitMinutes: 60, windows: [{days: [Sat, Sun], from: "22:00", to: "24:00", timeZone: America/Argentina/Buenos_Aires}]}}`,
		},
		rejected: []rejection{
			{`{updateStrategy: {type: Window}}`, []string{windowsNeedType}},
			{`{updateStrategy: {type: OnTermination, windows: [{from: "02:00", to: "05:00"}]}}`, []string{windowsNeedType}},
			{`{updateStrategy: {windows: [{from: "02:00", to: "05:00"}]}}`, []string{windowsNeedType}},
			{`{updateStrategy: {type: Window, windows: []}}`, []string{"spec.updateStrategy.windows: Invalid value: 0: spec.updateStrategy.windows in body should have at least 1 items"}},
		},
	},
	{
		name: "a schedule and runPolicy Scheduled need each other",
		accepted: []string{
			`{runPolicy: Scheduled, schedule: {up: [{from: "07:30", to: "19:00"}]}}`,
			`{runPolicy: Scheduled, autoterminationMinutes: null, schedule: {timeZone: Europe/Berlin, up: [{days: [Mon, Tue], from: "22:00", to: "06:00"}], exceptDates: ["2026-12-25"], atStart: KeepRunning, atEnd: KeepTerminated}}`,
			`{runPolicy: Scheduled, schedule: {up: [{from: "00:00", to: "24:00"}], atStart: Leave, atEnd: Leave}}`,
		},
		rejected: []rejection{
			{`{runPolicy: Scheduled}`, []string{scheduleNeedsPolicy}},
			{`{schedule: {up: [{from: "07:30", to: "19:00"}]}}`, []string{scheduleNeedsPolicy}},
			{`{runPolicy: Running, autoterminationMinutes: 0, schedule: {up: [{from: "07:30", to: "19:00"}]}}`, []string{scheduleNeedsPolicy}},
			{`{runPolicy: Scheduled, schedule: {up: [{from: "07:30", to: "19:00"}], atStart: KeepRunning}}`, []string{
				"spec.autoterminationMinutes: Forbidden: schedule.atStart KeepRunning and autoterminationMinutes would fight: set autoterminationMinutes to 0 (0 means never) or remove it, or set atStart to Start",
			}},
			{`{runPolicy: Scheduled, schedule: {up: [{from: "24:00", to: "19:00"}]}}`, []string{`spec.schedule.up[0].from: Invalid value: "24:00": spec.schedule.up[0].from in body should match '^([01][0-9]|2[0-3]):[0-5][0-9]$'`}},
			{`{runPolicy: Scheduled, schedule: {up: [{from: "7:30", to: "19:00"}]}}`, []string{
				`spec.schedule.up[0].from: Invalid value: "7:30": spec.schedule.up[0].from in body should be at least 5 chars long`,
			}},
			{`{runPolicy: Scheduled, schedule: {up: [{from: "07:30", to: "19:00", days: [Monday]}]}}`, []string{
				`spec.schedule.up[0].days[0]: Too long: may not be more than 3 bytes`,
				`spec.schedule.up[0].days[0]: Unsupported value: "Monday": supported values: "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"`,
			}},
			{`{runPolicy: Scheduled, schedule: {up: [{from: "07:30", to: "19:00"}], exceptDates: [25.12.2026]}}`, []string{`spec.schedule.exceptDates[0]: Invalid value: "25.12.2026": spec.schedule.exceptDates[0] in body should match '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$'`}},
		},
	},
	{
		name: "policies of the operator are CamelCase",
		accepted: []string{
			`{driftPolicy: CorrectWithRestart, deletionPolicy: Terminate, deletionProtection: true, suspend: true, pinned: false}`,
		},
		rejected: []rejection{
			{`{runPolicy: RUNNING}`, []string{`spec.runPolicy: Unsupported value: "RUNNING": supported values: "Manual", "Running", "Terminated", "Scheduled"`}},
			{`{driftPolicy: Ignore}`, []string{`spec.driftPolicy: Unsupported value: "Ignore": supported values: "Correct", "CorrectWithRestart", "Warn"`}},
			{`{deletionPolicy: Orphan}`, []string{`spec.deletionPolicy: Unsupported value: "Orphan": supported values: "Delete", "Terminate", "Retain"`}},
			{`{policyCompliance: Fix}`, []string{`spec.policyCompliance: Unsupported value: "Fix": supported values: "Report", "Enforce"`}},
			{`{managementPolicy: Adopt}`, []string{`spec.managementPolicy: Unsupported value: "Adopt": supported values: "Manage", "Observe"`}},
		},
	},
}

var formRules = []rule{
	{
		name:     "the simple form's fields need it [case-06]",
		accepted: []string{`{kind: CLASSIC_PREVIEW, useMLRuntime: true}`, `{kind: CLASSIC_PREVIEW, isSingleNode: false}`, `{kind: CLASSIC_PREVIEW}`},
		rejected: []rejection{
			{`{isSingleNode: true, numWorkers: null}`, []string{singleNodeKind}},
			{`{isSingleNode: false}`, []string{singleNodeKind}},
			{`{useMLRuntime: true}`, []string{machineKind}},
		},
	},
	{
		name:     "photon is asked for once [case-06]",
		accepted: []string{`{runtimeEngine: PHOTON}`, `{sparkVersion: 10.4.x-photon-scala2.12}`},
		rejected: []rejection{
			{`{sparkVersion: 10.4.x-photon-scala2.12, runtimeEngine: PHOTON}`, []string{photonTwice}},
			{`{sparkVersion: 10.4.x-photon-scala2.12, runtimeEngine: STANDARD}`, []string{photonTwice}},
		},
	},
	{
		name: "a single user needs a mode that has one",
		accepted: []string{
			`{singleUserName: a@example.com}`,
			`{singleUserName: a@example.com, dataSecurityMode: SINGLE_USER}`,
			`{singleUserName: a@example.com, dataSecurityMode: DATA_SECURITY_MODE_DEDICATED}`,
			`{singleUserName: a@example.com, dataSecurityMode: DATA_SECURITY_MODE_AUTO}`,
			`{singleUserName: a@example.com, dataSecurityMode: LEGACY_SINGLE_USER}`,
			`{singleUserName: a@example.com, dataSecurityMode: LEGACY_SINGLE_USER_STANDARD}`,
			`{dataSecurityMode: DATA_SECURITY_MODE_STANDARD}`,
		},
		rejected: []rejection{
			{`{singleUserName: a@example.com, dataSecurityMode: DATA_SECURITY_MODE_STANDARD}`, []string{noSingleUser}},
			{`{singleUserName: a@example.com, dataSecurityMode: USER_ISOLATION}`, []string{noSingleUser}},
			{`{singleUserName: a@example.com, dataSecurityMode: NONE}`, []string{noSingleUser}},
			{`{singleUserName: a@example.com, dataSecurityMode: LEGACY_TABLE_ACL}`, []string{noSingleUser}},
			{`{singleUserName: a@example.com, dataSecurityMode: LEGACY_PASSTHROUGH}`, []string{noSingleUser}},
		},
	},
}

// chooseID returns the refusal of a name or selector beside the field that it replaces.
func chooseID(id, name string) string {
	return "spec." + name + ": Forbidden: choose " + id + " or " + name + ", not both: remove one of them"
}

// chooseRef returns the refusal of a reference beside a field that it replaces.
func chooseRef(field string) string {
	return "spec." + field + "Ref: Forbidden: choose one of " + field + "ID, " + field + "Name and " + field + "Ref: remove the others"
}

var nameRules = []rule{
	{
		name: "a name or selector takes the place of an id",
		accepted: []string{
			`{policyName: small}`,
			`{numWorkers: null, sparkVersion: null, nodeTypeID: null, autoterminationMinutes: null, policyName: small}`,
			`{sparkVersion: null, sparkVersionSelector: {}}`,
			`{sparkVersion: null, sparkVersionSelector: {longTermSupport: true, scala: "2.13", sparkVersion: "3.5", update: ByStrategy}}`,
			`{nodeTypeID: null, nodeTypeSelector: {minCores: 4, gbPerCore: 4}, driverNodeTypeSelector: {minCores: 8}}`,
			`{nodeTypeID: null, nodeTypeSelector: {minCores: 4}, driverNodeTypeID: i3.xlarge}`,
			`{nodeTypeID: null, instancePoolName: workers, driverInstancePoolName: drivers}`,
			`{nodeTypeID: null, instancePoolName: workers, driverInstancePoolID: drivers}`,
			`{nodeTypeID: null, instancePoolID: workers, driverInstancePoolName: drivers}`,
			`{policyRef: {name: small}}`,
			`{numWorkers: null, sparkVersion: null, nodeTypeID: null, autoterminationMinutes: null, policyRef: {name: small}}`,
			`{nodeTypeID: null, instancePoolRef: {name: workers}, driverInstancePoolRef: {name: drivers}}`,
			`{nodeTypeID: null, instancePoolRef: {name: workers}, driverInstancePoolName: drivers}`,
			`{nodeTypeID: null, instancePoolID: workers, driverInstancePoolRef: {name: drivers.of.team-a}}`,
		},
		rejected: []rejection{
			{`{policyID: p, policyName: small}`, []string{chooseID("policyID", "policyName")}},
			{`{nodeTypeID: null, instancePoolID: p, instancePoolName: pool}`, []string{chooseID("instancePoolID", "instancePoolName")}},
			{
				`{nodeTypeID: null, instancePoolID: p, driverInstancePoolID: d, driverInstancePoolName: pool}`,
				[]string{chooseID("driverInstancePoolID", "driverInstancePoolName")},
			},
			{`{sparkVersionSelector: {}}`, []string{chooseID("sparkVersion", "sparkVersionSelector")}},
			{`{nodeTypeSelector: {minCores: 4}}`, []string{chooseID("nodeTypeID", "nodeTypeSelector")}},
			{`{driverNodeTypeID: i3.xlarge, driverNodeTypeSelector: {minCores: 4}}`, []string{chooseID("driverNodeTypeID", "driverNodeTypeSelector")}},
			{`{driverInstancePoolName: drivers}`, []string{driverPool}},
			{`{policyID: p, policyRef: {name: small}}`, []string{chooseRef("policy")}},
			{`{policyName: small, policyRef: {name: small}}`, []string{chooseRef("policy")}},
			{`{policyID: p, policyName: small, policyRef: {name: small}}`, []string{chooseID("policyID", "policyName"), chooseRef("policy")}},
			{`{nodeTypeID: null, instancePoolID: p, instancePoolRef: {name: pool}}`, []string{chooseRef("instancePool")}},
			{`{nodeTypeID: null, instancePoolName: p, instancePoolRef: {name: pool}}`, []string{chooseRef("instancePool")}},
			{
				`{nodeTypeID: null, instancePoolID: p, driverInstancePoolID: d, driverInstancePoolRef: {name: pool}}`,
				[]string{chooseRef("driverInstancePool")},
			},
			{
				`{nodeTypeID: null, instancePoolID: p, driverInstancePoolName: d, driverInstancePoolRef: {name: pool}}`,
				[]string{chooseRef("driverInstancePool")},
			},
			{`{driverInstancePoolRef: {name: drivers}}`, []string{driverPool}},
			{`{instancePoolRef: {name: workers}}`, []string{nodeTypeOrPool}},
			{`{nodeTypeID: null, instancePoolRef: {name: workers}, driverNodeTypeID: i3.xlarge}`, []string{driverOrPool}},
			{`{nodeTypeID: null, instancePoolID: workers, driverInstancePoolRef: {name: drivers}, driverNodeTypeID: i3.xlarge}`, []string{driverOrPool}},
			{`{nodeTypeID: null, instancePoolName: workers, driverNodeTypeSelector: {}}`, []string{driverOrPool}},
			{`{nodeTypeID: null, driverNodeTypeSelector: {}}`, []string{needMachines}},
		},
	},
}
