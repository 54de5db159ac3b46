import BasicTypes
import CanonicalJSON

/// `oscal.json`: OSCAL assessment results about the controls of NIST SP 800-53 that a log can be measured by. Each says
/// satisfied or not-satisfied by what was checked of the bundle's own files while it was made.
struct OSCALView {
  /// The version of OSCAL that the document keeps to.
  static let version = "1.1.3"

  /// A control, and the checks that it needs.
  private struct Control {
    let id: String
    let title: String
    let checks: [BundleReport.Check]
    let method: String
    let evidence: [String]
  }

  private static let controls = [
    Control(
      id: "au-3", title: "Content of Audit Records", checks: [.range, .records],
      method: "Every header of the range was read: each says what happened, when, to what, and who did it.",
      evidence: [BundleFile.headers]),
    Control(
      id: "au-9", title: "Protection of Audit Information", checks: [.range, .checkpoint],
      method: "The root of the log's tree was computed again from every header of the range, and compared with the "
        + "signed one.", evidence: [BundleFile.headers, BundleFile.proofs, BundleFile.checkpoint]),
    Control(
      id: "au-9.3", title: "Cryptographic Protection", checks: [.checkpoint],
      method: "The signature of the checkpoint was verified with the log's public key.",
      evidence: [BundleFile.checkpoint, BundleFile.verifierKey]),
    Control(
      id: "au-10", title: "Non-repudiation", checks: [.range, .records, .checkpoint],
      method: "Each record's body was hashed and compared with its header, which names the actor and is a leaf of the "
        + "signed tree.", evidence: [BundleFile.events, BundleFile.headers]),
    Control(
      id: "au-12", title: "Audit Record Generation", checks: [.range, .completeness],
      method: "The filter was applied again to every header of the range, and every record that it asks for was found.",
      evidence: [BundleFile.events, BundleFile.headers]),
    Control(
      id: "si-7", title: "Software, Firmware, and Information Integrity", checks: [.range, .records],
      method: "Each record was found byte for byte as it was hashed, in canonical JSON.",
      evidence: [BundleFile.events]),
  ]

  private let manifest: BundleManifest
  private let report: BundleReport
  private let isOrderedByTime: Bool
  private let now = Timestamp.now

  init(_ manifest: BundleManifest, _ report: BundleReport, isOrderedByTime: Bool) {
    self.manifest = manifest
    self.report = report
    self.isOrderedByTime = isOrderedByTime
  }

  var json: JSONObject {
    let plan = id("plan")
    let measured = Self.controls.map { control in
      (control, control.checks.allSatisfy { report.passed.contains($0) }, missing(control))
    }
    let timeControl = Control(
      id: "au-8", title: "Time Stamps", checks: [],
      method: "The times of the records were compared: all are in UTC, and "
        + "each is later than the one before it.", evidence: [BundleFile.events])
    let all =
      measured + [
        (timeControl, isOrderedByTime, isOrderedByTime ? "" : "Some record is not later than the one before it.")
      ]
    let result: JSONObject = [
      "description": "What was checked of the bundle's own files before its manifest was signed.",
      "end": .string(now.text), "findings": .array(all.map { .object(finding($0.0, $0.1, $0.2)) }),
      "observations": .array(all.map { .object(observation($0.0, $0.1)) }),
      "reviewed-controls": [
        "control-selections": [
          ["include-controls": .array(all.map { ["control-id": .string($0.0.id)] })]
        ]
      ],
      "start": .string(manifest.terms.at.text), "title": "Measured while the bundle was made",
      "uuid": .string(id("result")),
    ]
    return [
      "assessment-results": [
        "back-matter": [
          "resources": [
            [
              "description":
                "The checks that are made of every evidence bundle; Evidence.md in the documentation says how.",
              "title": "Checks of an evidence bundle", "uuid": .string(plan),
            ]
          ]
        ],
        "import-ap": ["href": .string("#\(plan)")],
        "metadata": [
          "last-modified": .string(now.text), "oscal-version": .string(Self.version),
          "title": .string("Evidence bundle of the log \(manifest.origin)"), "version": .string(manifest.terms.id.text),
        ],
        "results": [.object(result)], "uuid": .string(id("document")),
      ]
    ]
  }

  /// What a control lacks, in words.
  private func missing(_ control: Control) -> String {
    let missing = control.checks.filter { !report.passed.contains($0) }
    if missing.isEmpty { return "" }
    let faults = report.faults.prefix(3).map(\.description)
    let withheld = manifest.terms.withheld
    let why =
      !faults.isEmpty
      ? faults.joined(separator: " ")
      : withheld > 0 ? "\(withheld) headers of the range are shown as a hash alone, so completeness isn't proved." : ""
    return "Not shown: \(missing.map(\.rawValue).joined(separator: ", ")). \(why)"
  }

  private func finding(_ control: Control, _ isSatisfied: Bool, _ missing: String) -> JSONObject {
    [
      "description": .string(isSatisfied ? control.method : "\(control.method) \(missing)"),
      "related-observations": [["observation-uuid": .string(id("observation \(control.id)"))]],
      "target": [
        "status": ["state": isSatisfied ? "satisfied" : "not-satisfied"], "target-id": .string("\(control.id)_obj"),
        "type": "objective-id",
      ],
      "title": .string("\(control.id.uppercased()) \(control.title)"), "uuid": .string(id("finding \(control.id)")),
    ]
  }

  private func observation(_ control: Control, _ isSatisfied: Bool) -> JSONObject {
    [
      "collected": .string(now.text), "description": .string(control.method), "methods": ["TEST"],
      "relevant-evidence": .array(
        control.evidence.map { ["description": "A file of this bundle.", "href": .string("./\($0)")] }),
      "title": .string("\(control.title): \(isSatisfied ? "seen" : "not seen")"),
      "uuid": .string(id("observation \(control.id)")),
    ]
  }

  /// A UUID of version 5, which OSCAL asks for: always the same for the same export and part.
  private func id(_ part: String) -> String {
    Identifier.version5(namespace: manifest.terms.id, name: "oscal \(part)").text
  }
}
