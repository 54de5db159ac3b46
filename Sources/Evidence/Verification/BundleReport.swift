import CanonicalJSON

/// What came of verifying a bundle, in words for people who are no programmers.
package struct BundleReport: Sendable, Equatable {
  /// What is checked.
  package enum Check: String, Sendable, CaseIterable {
    /// The SHA-256 of every file.
    case files
    /// The log's signature over the manifest and the terms.
    case statement
    /// The log's signature over its tree.
    case checkpoint
    /// That all headers of the range lead to the signed root.
    case range
    /// That each record has the body that its header commits to, in canonical form.
    case records
    /// That no record is missing which the filter asks for.
    case completeness
    /// That the log grew out of a checkpoint that was kept.
    case history
    /// That a witness has seen the tree.
    case witness
  }

  /// The checks that have passed; one that isn't here failed or wasn't made.
  package private(set) var passed: Set<Check> = []
  /// What the bundle proves; only sentences whose checks have all passed.
  package private(set) var proved: [String] = []
  /// What it can't prove, and what would.
  package internal(set) var notProved: [String] = []
  /// What contradicts it.
  package internal(set) var faults: [EvidenceFault] = []
  /// How many faults there were besides those that are told.
  package internal(set) var furtherFaults = 0

  /// More faults than this are only counted.
  static let mostFaults = 100

  /// Whether nothing contradicts the bundle.
  package var isProved: Bool { faults.isEmpty }

  mutating func prove(_ check: Check, _ sentence: String) {
    passed.insert(check)
    proved.append(sentence)
  }

  mutating func add(_ fault: EvidenceFault) {
    if faults.count < BundleReport.mostFaults { faults.append(fault) } else { furtherFaults += 1 }
  }

  /// The report for programs.
  package var json: JSONObject {
    [
      "faults": .array(faults.map { .object($0.json) }), "further_faults": .integer(Int64(furtherFaults)),
      "not_proved": .array(notProved.map(JSON.string)), "proved": .array(proved.map(JSON.string)),
      "verified": .bool(isProved),
    ]
  }

  /// The report for people.
  package var lines: [String] {
    var lines: [String] = []
    if !faults.isEmpty {
      lines.append("This bundle is not what it says:")
      lines += faults.map { "  - \($0)" }
      if furtherFaults > 0 { lines.append("  - and \(furtherFaults) more.") }
    }
    if !proved.isEmpty {
      lines.append(faults.isEmpty ? "Proved:" : "Proved nevertheless:")
      lines += proved.map { "  - \($0)" }
    }
    if !notProved.isEmpty {
      lines.append("Not proved:")
      lines += notProved.map { "  - \($0)" }
    }
    return lines
  }
}
