/// The files of an evidence bundle, by their names in its folder.
///
/// `Evidence.md` in the documentation describes each of them for somebody who has neither this program nor its source.
package enum BundleFile {
  /// What the manifest's member `format` says; another layout of the files gets another one.
  package static let format = "daybook-evidence/1"

  /// What was asked and by whom, and the SHA-256 of every other file but ``note``.
  package static let manifest = "manifest.json"
  /// The log's signature over the manifest and the terms of the export.
  package static let note = "manifest.note"
  /// The log's signature over its tree, and those of witnesses.
  package static let checkpoint = "checkpoint.note"
  /// The public key of the log, as the server gave it.
  package static let verifierKey = "verifier.key"
  /// A line for each position of the range: its header, or the hash of one that isn't shown.
  package static let headers = "headers.jsonl"
  /// The records that the filter asks for, as they are hashed.
  package static let events = "events.jsonl"
  /// The events that dropped bodies of the records, each with its proof; only where there are such bodies.
  package static let drops = "drops.jsonl"
  /// The hashes of the tree on both sides of the range.
  package static let proofs = "proofs.json"
  /// The records as a table, for spreadsheets.
  package static let table = "audit.csv"
  /// The records as a page, for people.
  package static let report = "report.html"
  /// Values and reasons in the clear, where they were asked for and allowed.
  package static let decrypted = "decrypted.jsonl"
  /// The records as OCSF events.
  package static let ocsf = "ocsf.jsonl"
  /// The records as W3C PROV-JSON.
  package static let prov = "prov.json"
  /// What was checked while the bundle was made, as OSCAL assessment results.
  package static let oscal = "oscal.json"
  /// What an export that was interrupted goes on from; gone once the bundle is whole.
  package static let state = "export.partial.json"
}
