import CanonicalJSON
import DaybookTestKit
import Foundation
import TestBasics
import Testing

/// The rules of the schemas as the five documents print them, each tried by commands and counted: the documents say
/// what holds, not the catalog.
@Suite struct DocumentedRuleTests {
  /// What is known to be against a document, each with its reason.
  private static let known = [
    "data_aggregator.alerts.severity length":
      "The document says no words here; they are those of the alert's rule, alert_rules.severity.",
    "data_aggregator.system_logs.user_id reference":
      "A program's log line is kept whoever it names; the view shows NULL where that is nobody.",
    "data_aggregator.user_preferences.user_id nullable":
      "Preferences are somebody's: of who asks, where nobody is named, and whoever administers the machine is nobody.",
    "django_etl.auth_user.email default":
      "AbstractUser's blank=True, which the document doesn't print. Nobody is a user without an address here.",
    "etl_builder.notifications.organization_id nullable":
      "A notification belongs to the organization whose members may see it.",
  ]

  /// What is known to be against a document too, for which the catalog's `why` of the column is the reason.
  private static let explained: Set = [
    "data_aggregator.transformation_functions.name unique", "etlab.dag_definitions.dag_id unique",
    "mecapy.tools.name unique", "mecapy.user_files.s3_key unique",
  ]

  @Test(.needsPrintedDocuments, .needsDjango, .timeLimit(.minutes(10)))
  func `no rule of the printed schemas is broken by the commands, but those that the catalog explains`() async throws {
    let columns = try await columns()
    var count = RuleCount()
    for platform in Set(columns.map(\.platform)).sorted() {
      let trials = try await RuleTrials(platform)
      for column in columns where column.platform == platform {
        for rule in column.rules {
          let name = "\(platform).\(column.table).\(column.name) \(rule.kind)"
          let before = trials.requests
          let outcome = try await trials.outcome(of: rule, column)
          let reason = Self.known[name] ?? (Self.explained.contains(name) ? trials.explanation(of: column) : nil)
          count.add(outcome, of: name, platform, rule.kind, trials.requests - before, explanation: reason)
        }
      }
    }
    print(count.description)
    #expect(count.against.isEmpty, "\(count.against.joined(separator: "\n"))")
    #expect(Set(count.explained.keys) == Self.explained.union(Self.known.keys), "some are as documented by now")
    for platform in count.platforms {
      #expect(count.tried(platform) >= 75, "\(platform): \(count.tried(platform)) rules tried")
    }
    #expect(count.platforms.count == 5 && count.tried() >= 550 && count.requests() >= 2_000, "too few were tried")
  }

  /// What the documents' schemas say, column by column.
  private func columns() async throws -> [DocumentedColumn] {
    try await PrintedDocuments.told(by: "literal_rules.py", ThrowawayPostgres.database()).map {
      try #require(DocumentedColumn(JSON.parse($0)), "\($0)")
    }
  }
}

/// How many rules were tried, by platform and kind, and what came of them.
private struct RuleCount: CustomStringConvertible {
  private struct Row {
    var right = 0
    var explained = 0
    var against = 0
    var skipped = 0
    var requests = 0
  }

  private var rows: [String: [String: Row]] = [:]
  private var reasons: [String: Int] = [:]
  /// The rules that are broken and explained, each with what happens and the explanation.
  private(set) var explained: [String: String] = [:]
  /// The others that are broken.
  private(set) var against: [String] = []

  var platforms: [String] { rows.keys.sorted() }

  mutating func add(
    _ outcome: RuleTrials.Outcome, of name: String, _ platform: String, _ kind: String, _ requests: Int,
    explanation: String?
  ) {
    var row = rows[platform]?[kind] ?? Row()
    row.requests += requests
    switch outcome {
    case .right: row.right += 1
    case .skipped(let reason):
      row.skipped += 1
      reasons[reason, default: 0] += 1
    case .against(let what):
      if let explanation {
        row.explained += 1
        explained[name] = "\(what). Why: \(explanation)"
      } else {
        row.against += 1
        against.append("\(name): \(what)")
      }
    }
    rows[platform, default: [:]][kind] = row
  }

  private func sum(_ platform: String?, _ kind: String? = nil) -> Row {
    var sum = Row()
    for (name, kinds) in rows where platform == nil || platform == name {
      for (other, row) in kinds where kind == nil || kind == other {
        sum.right += row.right
        sum.explained += row.explained
        sum.against += row.against
        sum.skipped += row.skipped
        sum.requests += row.requests
      }
    }
    return sum
  }

  /// The rules that were tried, of one platform or of all.
  func tried(_ platform: String? = nil) -> Int {
    let row = sum(platform)
    return row.right + row.explained + row.against
  }

  /// The commands that tried them.
  func requests() -> Int { sum(nil).requests }

  var description: String {
    var lines = ["platform         rule       tried  right explained against requests skipped"]
    func add(_ platform: String, _ kind: String, _ row: Row) {
      let numbers = [
        (row.right + row.explained + row.against, 5), (row.right, 7), (row.explained, 10), (row.against, 8),
        (row.requests, 9), (row.skipped, 8),
      ]
      let cells = numbers.map { number, width in
        String(repeating: " ", count: max(0, width - "\(number)".count)) + "\(number)"
      }
      lines.append(
        platform.padding(toLength: 17, withPad: " ", startingAt: 0)
          + kind.padding(toLength: 11, withPad: " ", startingAt: 0) + cells.joined())
    }
    for platform in platforms {
      for kind in DocumentedColumn.Rule.kinds where rows[platform]?[kind] != nil {
        add(platform, kind, sum(platform, kind))
      }
      add(platform, "together", sum(platform))
    }
    for kind in DocumentedColumn.Rule.kinds { add("all", kind, sum(nil, kind)) }
    add("all", "together", sum(nil))
    lines.append("skipped")
    lines += reasons.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "  \($0.value): \($0.key)" }
    lines.append("explained")
    lines += explained.sorted { $0.key < $1.key }.map { "  \($0.key): \($0.value)" }
    lines.append("against a document")
    lines += against.map { "  \($0)" }
    return lines.joined(separator: "\n")
  }
}
