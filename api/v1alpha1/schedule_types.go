package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Schedule is when a cluster runs, and what is done at the beginning and the end of these
// hours.
type Schedule struct {
	// Operator: time zone of days, times and dates, such as Europe/Berlin: a name of
	// the IANA database. Absent: UTC.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*$`
	TimeZone string `json:"timeZone,omitempty"`

	// Operator: hours in which the cluster runs, 1 to 20.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Up []WeeklySpan `json:"up,omitempty"`

	// Operator: dates without hours, such as 2026-12-25, at most 200. Hours of the day
	// before end at midnight.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=200
	// +kubebuilder:validation:items:MinLength=10
	// +kubebuilder:validation:items:MaxLength=10
	// +kubebuilder:validation:items:Pattern=`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`
	ExceptDates []string `json:"exceptDates,omitempty"`

	// Operator: at the beginning of the hours, Start (default) starts the cluster once;
	// KeepRunning starts it whenever it is terminated until they end; Leave does nothing.
	// +optional
	AtStart AtStart `json:"atStart,omitempty"`

	// Operator: at the end of the hours, Terminate (default) terminates the cluster once;
	// KeepTerminated terminates it whenever it runs until they begin; Leave does nothing.
	// +optional
	AtEnd AtEnd `json:"atEnd,omitempty"`
}

// WeeklySpan is a time on some days of the week.
type WeeklySpan struct {
	// Operator: days on which it begins. Absent: every day.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// Operator: when it begins, such as 07:30.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	From string `json:"from,omitempty"`

	// Operator: when it ends, such as 19:00 or 24:00. A time that is not after from is
	// on the next day.
	// +required
	// +kubebuilder:validation:MinLength=5
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`
	To string `json:"to,omitempty"`
}

// Weekday is a day of the week.
//
// +kubebuilder:validation:MaxLength=3
// +kubebuilder:validation:Enum=Mon;Tue;Wed;Thu;Fri;Sat;Sun
type Weekday string

// AtStart is what is done when the hours of a schedule begin.
//
// +kubebuilder:validation:Enum=Start;KeepRunning;Leave
type AtStart string

const (
	// AtStartStart starts the cluster once. The default.
	AtStartStart AtStart = "Start"
	// AtStartKeepRunning starts the cluster whenever it is terminated.
	AtStartKeepRunning AtStart = "KeepRunning"
	// AtStartLeave does nothing.
	AtStartLeave AtStart = "Leave"
)

// AtEnd is what is done when the hours of a schedule end.
//
// +kubebuilder:validation:Enum=Terminate;KeepTerminated;Leave
type AtEnd string

const (
	// AtEndTerminate terminates the cluster once. The default.
	AtEndTerminate AtEnd = "Terminate"
	// AtEndKeepTerminated terminates the cluster whenever it runs.
	AtEndKeepTerminated AtEnd = "KeepTerminated"
	// AtEndLeave does nothing.
	AtEndLeave AtEnd = "Leave"
)

// UpdateWindow is a time in which changes that restart a running cluster are applied.
type UpdateWindow struct {
	WeeklySpan `json:",inline"`

	// Operator: time zone of days and times, such as Europe/Berlin: a name of the IANA
	// database. Absent: UTC.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9._+-]+(/[A-Za-z0-9._+-]+)*$`
	TimeZone string `json:"timeZone,omitempty"`
}

// ScheduleStatus is where an object is in its schedule.
type ScheduleStatus struct {
	// True within the hours in which the cluster runs.
	// +optional
	Up *bool `json:"up,omitempty"`

	// When up changes next; absent if it does not within a year.
	// +optional
	NextTransitionTime *metav1.Time `json:"nextTransitionTime,omitempty"`

	// The last beginning or end of the hours for which the cluster was started or
	// terminated, or was so already. A later one is still to be acted on.
	// +optional
	LastTransitionTime *metav1.Time `json:"lastTransitionTime,omitempty"`
}
