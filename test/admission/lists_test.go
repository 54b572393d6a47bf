package admission

const (
	oneLibrary     = "Forbidden: set exactly one of pypi, maven, cran, jar, whl and requirements; each library is an item of its own"
	oneScript      = "Forbidden: set exactly one of workspace, volumes, s3, abfss, gcs and file; each script is an item of its own"
	oneLog         = "spec.clusterLogConf: Forbidden: set exactly one of dbfs, s3 and volumes"
	operatorTags   = "tags whose names begin with databricks-operator, in small or capital letters, are reserved: by them the operator knows its clusters; remove them"
	databricksTags = "the tags Vendor, Creator, ClusterId, ClusterName and Name are set by Databricks: remove them, or choose other names"
	notKubernetes  = "audience must not be the Kubernetes API: Databricks would be sent a token that is good there"
	entraRule      = "azureTenantID needs clientID, the id of the application in Entra ID, and no audience"
	oneWay         = "spec.connection: Forbidden: set exactly one of secretRef, workloadIdentity and workspaceRef"
	onePrincipal   = "Forbidden: set exactly one of userName, groupName and servicePrincipalName"
	principals     = "spec.accessControlList: Forbidden: each userName, groupName and servicePrincipalName may stand once: keep the entry with the highest permissionLevel"
	badHost        = "host must be https:// and the host name alone, such as https://adb-123.4.azuredatabricks.net"
)

var listRules = []rule{
	{
		name: "a library is one thing [case-52]",
		accepted: []string{
			`{libraries: []}`,
			`{libraries: [{pypi: {package: simplejson}}, {maven: {coordinates: "g:a:1"}}, {cran: {package: rlang}}, {jar: /Volumes/a.jar}, {whl: /Volumes/a.whl}, {requirements: /Volumes/a.txt}]}`,
			`{libraries: [{requirements: /Volumes/a.txt}, {requirements: /Volumes/b.txt}]}`,
			`{libraries: [{maven: {coordinates: "g:a:1"}}, {maven: {coordinates: "g:a:1", exclusions: ["x:y"]}}]}`,
		},
		rejected: []rejection{
			{`{libraries: [{}]}`, []string{"spec.libraries[0]: " + oneLibrary}},
			{`{libraries: [{jar: a.jar, whl: a.whl}]}`, []string{"spec.libraries[0]: " + oneLibrary}},
			{`{libraries: [{jar: a.jar}, {jar: a.jar}]}`, []string{"spec.libraries: Forbidden: each library may stand once: remove the repeated one"}},
			{`{libraries: [{pypi: {}}]}`, []string{"spec.libraries[0].pypi.package: Required value"}},
			{`{libraries: [{maven: {coordinates: "g:a:1", exclusions: ["x:y", "x:y"]}}]}`, []string{`spec.libraries[0].maven.exclusions[1]: Duplicate value: "x:y"`}},
		},
	},
	{
		name: "an init script is in one place",
		accepted: []string{
			`{initScripts: []}`,
			`{initScripts: [{workspace: {destination: /Shared/a.sh}}, {volumes: {destination: /Volumes/a.sh}}, {s3: {destination: "s3://b/a.sh", region: us-west-2}}, {abfss: {destination: "abfss://c@a.dfs.core.windows.net/a.sh"}}, {gcs: {destination: "gs://b/a.sh"}}, {file: {destination: "file:/a.sh"}}]}`,
		},
		rejected: []rejection{
			{`{initScripts: [{}]}`, []string{"spec.initScripts[0]: " + oneScript}},
			{`{initScripts: [{volumes: {destination: a}, gcs: {destination: b}}]}`, []string{"spec.initScripts[0]: " + oneScript}},
			{`{initScripts: [{volumes: {}}]}`, []string{"spec.initScripts[0].volumes.destination: Required value"}},
		},
	},
	{
		name:     "at most ten init scripts [case-06]",
		accepted: []string{`{initScripts: [` + repeated(10, `{volumes: {destination: a}}`) + `]}`},
		rejected: []rejection{{
			`{initScripts: [` + repeated(11, `{volumes: {destination: a}}`) + `]}`,
			[]string{"spec.initScripts: Too many: 11: must have at most 10 items"},
		}},
	},
	{
		name: "logs go to one place [case-06]",
		accepted: []string{
			`{clusterLogConf: {dbfs: {destination: "dbfs:/logs"}}}`,
			`{clusterLogConf: {volumes: {destination: /Volumes/ops/logs/clusters}}}`,
			`{clusterLogConf: {s3: {destination: "s3://b/logs", region: us-west-2, enableEncryption: true, encryptionType: sse-kms, kmsKey: "arn:aws:kms:k", cannedACL: bucket-owner-full-control}}}`,
		},
		rejected: []rejection{
			{`{clusterLogConf: {}}`, []string{oneLog}},
			{`{clusterLogConf: {dbfs: {destination: "dbfs:/logs"}, volumes: {destination: /Volumes/logs}}}`, []string{oneLog}},
		},
	},
	{
		name:     "at most ten ssh keys, each once",
		accepted: []string{`{sshPublicKeys: []}`, `{sshPublicKeys: [` + numbered(10, `"ssh-ed25519 %d"`) + `]}`},
		rejected: []rejection{
			{`{sshPublicKeys: [` + numbered(11, `"ssh-ed25519 %d"`) + `]}`, []string{"spec.sshPublicKeys: Too many: 11: must have at most 10 items"}},
			{`{sshPublicKeys: [a, a]}`, []string{`spec.sshPublicKeys[1]: Duplicate value: "a"`}},
		},
	},
	{
		name:     "at most 44 custom tags, none of them reserved [case-06] [S12]",
		accepted: []string{`{customTags: {` + numbered(44, `tag-%d: x`) + `}}`, `{customTags: {ResourceClass: SingleNode, name: x, team: databricks-operator}}`},
		rejected: []rejection{
			{`{customTags: {` + numbered(45, `tag-%d: x`) + `}}`, []string{"spec.customTags: Too many: 45: must have at most 44 items"}},
			{`{customTags: {databricks-operator-owner: me}}`, []string{"spec.customTags: Forbidden: " + operatorTags}},
			{`{customTags: {Databricks-Operator-Owner: me}}`, []string{"spec.customTags: Forbidden: " + operatorTags}},
			{`{customTags: {DATABRICKS-OPERATOR-other: me}}`, []string{"spec.customTags: Forbidden: " + operatorTags}},
			{`{customTags: {Vendor: me}}`, []string{"spec.customTags: Forbidden: " + databricksTags}},
			{`{customTags: {Creator: me}}`, []string{"spec.customTags: Forbidden: " + databricksTags}},
			{`{customTags: {ClusterId: me}}`, []string{"spec.customTags: Forbidden: " + databricksTags}},
			{`{customTags: {ClusterName: me}}`, []string{"spec.customTags: Forbidden: " + databricksTags}},
			{`{customTags: {Name: me}}`, []string{"spec.customTags: Forbidden: " + databricksTags}},
		},
	},
	{
		name: "a grant is for one principal, and each has one",
		accepted: []string{
			`{accessControlList: []}`,
			`{accessControlList: [{userName: x, permissionLevel: CAN_RESTART}, {groupName: x, permissionLevel: CAN_MANAGE}, {servicePrincipalName: x, permissionLevel: CAN_ATTACH_TO}]}`,
			`{accessControlList: [{userName: a, permissionLevel: CAN_RESTART}, {userName: b, permissionLevel: CAN_RESTART}]}`,
		},
		rejected: []rejection{
			{`{accessControlList: [{permissionLevel: CAN_RESTART}]}`, []string{"spec.accessControlList[0]: " + onePrincipal}},
			{`{accessControlList: [{userName: a, groupName: b, permissionLevel: CAN_RESTART}]}`, []string{"spec.accessControlList[0]: " + onePrincipal}},
			{`{accessControlList: [{userName: x}]}`, []string{"spec.accessControlList[0].permissionLevel: Required value"}},
			{`{accessControlList: [{userName: x, permissionLevel: IS_OWNER}]}`, []string{`spec.accessControlList[0].permissionLevel: Unsupported value: "IS_OWNER": supported values: "CAN_ATTACH_TO", "CAN_RESTART", "CAN_MANAGE"`}},
			{`{accessControlList: [{userName: x, permissionLevel: CAN_RESTART}, {userName: x, permissionLevel: CAN_MANAGE}]}`, []string{principals}},
			{`{accessControlList: [{groupName: x, permissionLevel: CAN_RESTART}, {groupName: x, permissionLevel: CAN_MANAGE}]}`, []string{principals}},
			{`{accessControlList: [{servicePrincipalName: x, permissionLevel: CAN_RESTART}, {servicePrincipalName: x, permissionLevel: CAN_RESTART}]}`, []string{principals}},
		},
	},
}

var referenceRules = []rule{
	{
		name: "one way to connect",
		accepted: []string{
			`{connection: {secretRef: {name: prod-workspace}}}`,
			`{connection: {workspaceRef: {name: prod}}}`,
			`{connection: {workloadIdentity: {host: "https://adb-123.4.azuredatabricks.net", clientID: 6f7c, serviceAccountName: etl, audience: databricks}}}`,
			`{connection: {workloadIdentity: {host: "https://127.0.0.1:8443/", serviceAccountName: etl}}}`,
			`{connection: {workloadIdentity: {host: "https://adb-123.4.azuredatabricks.net", clientID: 6f7c, serviceAccountName: etl, azureTenantID: example.onmicrosoft.com}}}`,
		},
		rejected: []rejection{
			{`{connection: {}}`, []string{oneWay}},
			{`{connection: {secretRef: {name: a}, workspaceRef: {name: b}}}`, []string{oneWay}},
			{`{connection: {secretRef: {}}}`, []string{"spec.connection.secretRef.name: Required value"}},
			{`{connection: {workloadIdentity: {host: "https://adb-123.4.azuredatabricks.net", serviceAccountName: etl, azureTenantID: t1}}}`, []string{
				`spec.connection.workloadIdentity: Invalid value: ` + entraRule,
			}},
			{`{connection: {workloadIdentity: {host: "https://adb-123.4.azuredatabricks.net", serviceAccountName: etl, clientID: 6f7c, azureTenantID: t1, audience: databricks}}}`, []string{
				`spec.connection.workloadIdentity: Invalid value: ` + entraRule,
			}},
			{`{connection: {workloadIdentity: {host: "http://adb-123.4.azuredatabricks.net", serviceAccountName: etl}}}`, []string{
				`spec.connection.workloadIdentity.host: Invalid value: "http://adb-123.4.azuredatabricks.net": ` + badHost,
			}},
			{`{connection: {workloadIdentity: {host: "https://adb-123.4.azuredatabricks.net", serviceAccountName: etl, audience: "HTTPS://Kubernetes.default.svc"}}}`, []string{
				`spec.connection.workloadIdentity.audience: Invalid value: "HTTPS://Kubernetes.default.svc": ` + notKubernetes,
			}},
			{`{connection: {workloadIdentity: {host: "https://adb-123.4.azuredatabricks.net", serviceAccountName: etl, audience: "https://kubernetes.default.svc.cluster.local"}}}`, []string{
				`spec.connection.workloadIdentity.audience: Invalid value: "https://kubernetes.default.svc.cluster.local": ` + notKubernetes,
			}},
			{`{connection: {workloadIdentity: {host: "https://user@example.com/path", serviceAccountName: etl}}}`, []string{
				`spec.connection.workloadIdentity.host: Invalid value: "https://user@example.com/path": ` + badHost,
			}},
		},
	},
	{
		name:     "references are names, not paths",
		accepted: []string{`{outputConfigMap: {name: etl-cluster}}`},
		rejected: []rejection{{`{connection: {secretRef: {name: ../other}}}`, []string{
			`spec.connection.secretRef.name: Invalid value: "../other": spec.connection.secretRef.name in body should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'`,
		}}},
	},
	{
		name: "secrets are referred to [S13]",
		accepted: []string{
			`{dockerImage: {url: "registry/image:1", basicAuthSecretRef: {name: registry}}}`,
			`{azureAttributes: {logAnalyticsInfo: {logAnalyticsWorkspaceID: w, logAnalyticsPrimaryKeySecretRef: {name: logs, key: primary}}}}`,
		},
		rejected: []rejection{{
			`{azureAttributes: {logAnalyticsInfo: {logAnalyticsPrimaryKeySecretRef: {name: logs}}}}`,
			[]string{"spec.azureAttributes.logAnalyticsInfo.logAnalyticsPrimaryKeySecretRef.key: Required value"},
		}},
	},
	{
		name:     "an empty string is nothing, and nothing is left out",
		accepted: []string{`{clusterName: x}`},
		rejected: []rejection{
			{`{clusterName: ""}`, []string{`spec.clusterName: Invalid value: "": spec.clusterName in body should be at least 1 chars long`}},
			{`{policyID: ""}`, []string{`spec.policyID: Invalid value: "": spec.policyID in body should be at least 1 chars long`}},
		},
	},
}
