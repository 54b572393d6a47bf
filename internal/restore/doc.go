// Package restore notices that the store of the API server was set back to an earlier
// time, as by a restore of etcd from a backup.
//
// A watch that was open then resumes after a version that the store does not have yet and
// brings nothing, so the informers keep what is not true any more. The check ends the
// process. The next one reads everything anew, and looks for clusters by their owner tags
// before it creates others.
//
// What one object lost is noticed by the controllers; this package knows no kinds but the
// one that it lists.
package restore
