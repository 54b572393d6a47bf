package drift

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestPathsOfPolicies(t *testing.T) {
	g := NewWithT(t)
	desired := Tree{
		"num_workers":    2.0,
		"spark_conf":     map[string]any{"spark.speculation": "true"},
		"aws_attributes": map[string]any{"zone_id": "auto", "availability": nil},
		"init_scripts":   []any{map[string]any{"workspace": map[string]any{"destination": "/a"}}},
		"cluster_log_conf": map[string]any{
			"dbfs": map[string]any{"destination": "dbfs:/logs"},
		},
		"docker_image": map[string]any{"url": "u"},
	}
	for path, row := range map[string]struct {
		pointer    string
		isDeclared bool
		isSecret   bool
	}{
		"num_workers":                          {"/numWorkers", true, false},
		"autotermination_minutes":              {"/autoterminationMinutes", false, false},
		"autoscale.max_workers":                {"/autoscale/maxWorkers", false, false},
		"spark_conf.spark.speculation":         {"/sparkConf/spark.speculation", true, true},
		"spark_conf.spark.other":               {"/sparkConf/spark.other", false, true},
		"aws_attributes.zone_id":               {"/awsAttributes/zoneID", true, false},
		"aws_attributes.availability":          {"/awsAttributes/availability", false, false},
		"init_scripts.0.workspace.destination": {"/initScripts", true, false},
		"ssh_public_keys.*":                    {"/sshPublicKeys", false, false},
		"cluster_log_conf.path":                {"/clusterLogConf", true, false},
		"docker_image.url":                     {"/dockerImage/url", true, false},
		"docker_image.basic_auth.password":     {"/dockerImage/basicAuthSecretRef/password", false, true},
		"cluster_type":                         {"/cluster_type", false, false},
		"dbus_per_hour":                        {"/dbus_per_hour", false, false},
		"":                                     {"/", false, false},
		"custom_tags.team":                     {"/customTags/team", false, false},
		"unknown.x":                            {"/unknown", false, false},
		"spark_env_vars.PASSWORD":              {"/sparkEnvVars/PASSWORD", false, true},
		"azure_attributes.log_analytics_info.log_analytics_primary_key": {"/azureAttributes/logAnalyticsInfo/logAnalyticsPrimaryKeySecretRef", false, true},
	} {
		at := PolicyPath(path)
		g.Expect(SpecPointer(at)).To(Equal(row.pointer), path)
		g.Expect(desired.Declares(at)).To(Equal(row.isDeclared), path)
		g.Expect(MayBeSecret(at)).To(Equal(row.isSecret), path)
	}
}

func TestADifferenceTouchesAPath(t *testing.T) {
	g := NewWithT(t)
	difference := Difference{Path: "/aws_attributes/zone_id"}
	g.Expect(difference.Touches([]string{"aws_attributes", "zone_id"})).To(BeTrue())
	g.Expect(difference.Touches([]string{"aws_attributes"})).To(BeTrue(), "above")
	g.Expect(Difference{Path: "/aws_attributes"}.Touches([]string{"aws_attributes", "zone_id"})).To(BeTrue(), "below")
	g.Expect(difference.Touches([]string{"aws_attributes", "zone"})).To(BeFalse(), "beside")
}
