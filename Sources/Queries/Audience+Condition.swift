import Access
import BasicTypes
import Catalog
import Postgres

/// The rendering for a list: SQL over the read model of the type, whose rows are `t`.
///
/// What stays the same from call to call is written once; a call adds only its parameters.
package struct AudienceCondition: Sendable {
  /// The audience that it renders.
  package let audience: Audience
  private let clauses: [Clause]

  /// One rule in SQL, around the parameters that a call binds.
  private enum Clause: Sendable {
    case tenant
    case tenantExcept
    case colleague(Audience.Placement)
    case unplaced(Audience.Placement)
    case ownOrShared(owner: String, flag: String)
    case placed(Audience.Placement)
    case addressee(owner: String, unless: String?)
    case ownOrganization
    case sharedOrganization
    case oneself
    case named(String)
    case offices
    case stewards
    case maker
    case published(String)
  }

  /// The SQL of an audience.
  package init(_ audience: Audience) {
    self.audience = audience
    clauses = audience.rules.map { rule in
      switch rule {
      case .tenant: .tenant
      case .tenantExcept: .tenantExcept
      case .colleague(let placement): .colleague(placement)
      case .unplaced(let placement): .unplaced(placement)
      case .ownOrShared(let field, let flag): .ownOrShared(owner: Self.column(field), flag: Self.column(flag))
      case .placed(let placement): .placed(placement)
      case .addressee(let field, let unless):
        .addressee(owner: Self.column(field), unless: unless.map { Self.column($0) })
      case .ownOrganization: .ownOrganization
      case .sharedOrganization: .sharedOrganization
      case .oneself: .oneself
      case .named(let field): .named(Self.column(field))
      case .offices: .offices
      case .stewards: .stewards
      case .maker: .maker
      case .published(let fields):
        .published("((\(fields.map(Self.column).joined(separator: " OR "))) AND t.\"deleted_at\" IS NULL)")
      }
    }
  }

  /// The condition that keeps rows to what a caller may read, in parentheses where it needs them; nil where there are
  /// no bounds.
  func sql(_ reach: Audience.Reach, in sql: inout SQLBuilder) -> String? {
    guard case .bounded(let bounds) = reach else { return nil }
    var bound: String?
    // Bound once, and not where no rule asks for it.
    func readable(_ sql: inout SQLBuilder) -> String {
      let place = bound ?? sql.bind(bounds.readable.sorted())
      bound = place
      return place
    }
    var choices: [String] = []
    for clause in clauses {
      switch clause {
      case .tenant: choices.append("t.\"organization_id\" = ANY(\(readable(&sql)))")
      case .tenantExcept:
        let full = bounds.readable.subtracting(bounds.narrowed)
        if !full.isEmpty || bounds.narrowed.isEmpty {
          choices.append("t.\"organization_id\" = ANY(\(sql.bind(full.sorted())))")
        }
      case .colleague(let placement):
        guard !bounds.workspaces.isEmpty, !bounds.narrowed.isEmpty else { continue }
        let narrowed = sql.bind(bounds.narrowed.sorted())
        let workspaces = sql.bind(bounds.workspaces.sorted())
        choices.append(
          "(t.\"organization_id\" = ANY(\(narrowed)) AND \(Self.lies("t", placement, in: "ANY(\(workspaces))")))")
      case .unplaced(let placement):
        guard let subject = bounds.subject, !bounds.narrowed.isEmpty else { continue }
        let own = "t.\"created_by\" = \(sql.bind(.uuid(subject.text), as: "uuid"))"
        let narrowed = sql.bind(bounds.narrowed.sorted())
        choices.append("(t.\"organization_id\" = ANY(\(narrowed)) AND \(own) AND \(Self.liesNowhere("t", placement)))")
      case .ownOrShared(let owner, let flag):
        guard !bounds.narrowed.isEmpty else { continue }
        let own = bounds.subject.map { "\(owner) = \(sql.bind(.uuid($0.text), as: "uuid")) OR " } ?? ""
        choices.append("(t.\"organization_id\" = ANY(\(sql.bind(bounds.narrowed.sorted()))) AND (\(own)\(flag)))")
      case .placed(let placement):
        guard !bounds.workspaces.isEmpty, !bounds.visited.isEmpty else { continue }
        let visited = sql.bind(bounds.visited.sorted())
        let workspaces = sql.bind(bounds.workspaces.sorted())
        choices.append(
          "(t.\"organization_id\" = ANY(\(visited)) AND \(Self.lies("t", placement, in: "ANY(\(workspaces))")))")
      case .addressee(let owner, let unless):
        var eyes = "\(owner) IS NULL"
        if let subject = bounds.subject { eyes += " OR \(owner) = \(sql.bind(.uuid(subject.text), as: "uuid"))" }
        if let unless { eyes += " OR \(unless)" }
        if !bounds.administered.isEmpty {
          eyes += " OR t.\"organization_id\" = ANY(\(sql.bind(bounds.administered.sorted())))"
        }
        choices.append("(t.\"organization_id\" = ANY(\(readable(&sql))) AND (\(eyes)))")
        if let subject = bounds.subject, !bounds.visited.isEmpty {
          let own = "\(owner) = \(sql.bind(.uuid(subject.text), as: "uuid"))"
          choices.append("(t.\"organization_id\" = ANY(\(sql.bind(bounds.visited.sorted()))) AND \(own))")
        }
      case .ownOrganization:
        choices.append("t.\"id\" = ANY(\(sql.bind(bounds.readable.union(bounds.visited).sorted())))")
      case .sharedOrganization:
        choices.append(
          """
          EXISTS (SELECT 1 FROM daybook.memberships m WHERE m.user_id = t.id AND m.deleted_at IS NULL \
          AND m.organization_id = ANY(\(readable(&sql))))
          """)
      case .oneself:
        if let user = bounds.user { choices.append("t.\"id\" = \(sql.bind(.uuid(user.text), as: "uuid"))") }
      case .named(let column):
        if let user = bounds.user { choices.append("\(column) = \(sql.bind(.uuid(user.text), as: "uuid"))") }
      case .offices:
        if !bounds.officed.isEmpty {
          choices.append("t.\"organization_id\" = ANY(\(sql.bind(bounds.officed.sorted())))")
        }
      case .stewards:
        let governed = bounds.readable.intersection(bounds.administered)
        if !governed.isEmpty { choices.append("t.\"organization_id\" = ANY(\(sql.bind(governed.sorted())))") }
      case .maker:
        guard let subject = bounds.subject, !bounds.readable.isEmpty else { continue }
        choices.append(
          "(t.\"created_by\" = \(sql.bind(.uuid(subject.text), as: "uuid")) AND t.\"organization_id\" = ANY(\(readable(&sql))))"
        )
      case .published(let isPublic):
        if bounds.readsPublic { choices.append(isPublic) }
      }
    }
    switch choices.count {
    case 0: return "false"
    case 1: return choices[0]
    default: return "(\(choices.joined(separator: " OR ")))"
    }
  }

  /// Whether a row lies in a workspace that equals `workspaces`.
  private static func lies(_ row: String, _ placement: Audience.Placement, in workspaces: String) -> String {
    let field = "\(row).\(PostgresIdentifier.quote(placement.field))"
    return switch placement {
    case .itself, .direct: "\(field) = \(workspaces)"
    case .byPipeline:
      "\(field) IN (SELECT p.id FROM daybook.pipelines p WHERE \(lies("p", .direct, in: workspaces)))"
    case .byRun: "\(field) IN (SELECT r.id FROM daybook.runs r WHERE \(lies("r", .byPipeline, in: workspaces)))"
    }
  }

  /// Whether a row lies in no workspace.
  private static func liesNowhere(_ row: String, _ placement: Audience.Placement) -> String {
    let field = "\(row).\(PostgresIdentifier.quote(placement.field))"
    return switch placement {
    case .itself: "false"
    case .direct: "\(field) IS NULL"
    case .byPipeline:
      "(\(field) IS NULL OR \(field) IN (SELECT p.id FROM daybook.pipelines p WHERE \(liesNowhere("p", .direct))))"
    case .byRun:
      "(\(field) IS NULL OR \(field) IN (SELECT r.id FROM daybook.runs r WHERE \(liesNowhere("r", .byPipeline))))"
    }
  }

  /// The lines that programs log about themselves, those of no organization being the service's own.
  static let systemLogs = AudienceCondition(.systemLogs)

  private static func column(_ name: String) -> String { "t.\(PostgresIdentifier.quote(name))" }
}
