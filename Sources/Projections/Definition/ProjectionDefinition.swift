import CanonicalJSON
import EventLog

/// One read model: one SQL file of `projections/`, read and checked.
public struct ProjectionDefinition: Sendable {
  /// What fills a read model.
  public enum Source: Sendable, Equatable {
    /// The fields of every resource of this type, merged into its row.
    case state(type: String)
    /// These events, by the file's own statements.
    case events(EventFilter)
  }

  /// Which events an event read model is filled from.
  public enum EventFilter: Sendable, Equatable {
    /// Every event.
    case all
    /// Events of these names (`run.logged`), and all events of these resource types.
    case named(events: Set<String>, types: Set<String>)

    /// Whether it takes the event of that name and resource type.
    func takes(_ event: String, type: String) -> Bool {
      switch self {
      case .all: true
      case .named(let events, let types): types.contains(type) || events.contains(event)
      }
    }
  }

  /// A part of an event's body that a read model needs opened.
  public enum OpenedPart: String, Sendable, CaseIterable {
    case reason, origin, data
  }

  /// The name, which is also the table's (`pipelines`).
  public let name: String
  /// The file's name, for messages.
  public let file: String
  /// What it holds, in a sentence.
  public let summary: String
  /// What fills it.
  public let source: Source
  /// The parts of bodies that its `fill opened` statements get.
  public let opens: Set<OpenedPart>
  /// Fields of the event's resource, fixed at its creation, that come along in `fields`.
  public let needs: [String]
  /// The columns of `daybook.<name>`.
  public let columns: [SQLColumn]
  /// The columns of `personal.<name>`, `id` included; empty where there is no such table.
  public let personalColumns: [SQLColumn]
  /// What makes and fills the table, as a ``ProjectionFingerprint``, and what the catalog says of who may read: another
  /// one means that the table has to be filled anew.
  public private(set) var fingerprint: String
  /// Boolean columns of which any one that is true makes a living row public; the catalog names them.
  public private(set) var publicColumns: [String] = []
  /// The same of its `COMMENT` statements: another one means that they have to be made anew, and nothing else.
  let wording: String

  let tables: [String]
  let indexes: [String]
  let fill: [String]
  let fillOpened: [String]
  /// The events whose arrival takes rows away again: what is swept, or goes with a resource.
  let removes: Set<String>
  /// The statements that do.
  let removal: [String]
  /// The column by whose month its table is partitioned; nil where it isn't.
  let partitionColumn: String?

  /// The definition with the columns that make rows public, as the catalog names them.
  func withPublicColumns(_ columns: [String]) -> ProjectionDefinition {
    guard !columns.isEmpty else { return self }
    var definition = self
    definition.publicColumns = columns
    // The policy of the table says it, so another list needs another table.
    definition.fingerprint += " public: " + columns.joined(separator: ", ")
    return definition
  }

  /// The definition where resources of the types that fill it have values that no event has set: other values need
  /// another table.
  func withDefaults(_ defaults: StateDefaults) -> ProjectionDefinition {
    guard !defaults.isEmpty else { return self }
    let types: Set<String>
    switch source {
    case .state(let type): types = [type]
    case .events(.all): types = []
    case .events(.named(let events, let whole)): types = whole.union(events.map { String($0.prefix { $0 != "." }) })
    }
    let relevant = JSONObject(
      members: types.sorted().map { (key: $0, value: .object(defaults.values(of: $0))) }.filter { $0.value != [:] })
    guard !relevant.isEmpty else { return self }
    var definition = self
    definition.fingerprint += " defaults: \(JSON.object(relevant).canonicalString)"
    return definition
  }

  /// Whether it has a table in `personal`.
  public var hasPersonalTable: Bool { !personalColumns.isEmpty }

  /// Its parts, each of which has a checkpoint of its own.
  var units: [UnitID] {
    let rows = UnitID(projection: name, part: .rows)
    return hasPersonalTable ? [rows, UnitID(projection: name, part: .personal)] : [rows]
  }

  /// The statements that make the tables of one part, in the schemas of that generation.
  func tableStatements(_ part: UnitID.Part, _ generation: Generation) -> [String] {
    tables.filter { SQLText.touchesPersonal($0) == (part == .personal) }.map { SQLText.renamed($0, for: generation) }
  }

  /// The statements among them that say what the tables and columns mean.
  func commentStatements(_ part: UnitID.Part, _ generation: Generation) -> [String] {
    tableStatements(part, generation).filter(SQLText.isComment)
  }

  /// The statements that make the further indexes of one part.
  func indexStatements(_ part: UnitID.Part, _ generation: Generation) -> [String] {
    indexes.filter { SQLText.touchesPersonal($0) == (part == .personal) }.map { SQLText.renamed($0, for: generation) }
  }
}

/// What has a checkpoint: the rows of a read model, or its personal columns.
struct UnitID: Hashable, Sendable, Comparable {
  /// The two parts. They move together but for a refill of the personal one.
  enum Part: String, Sendable, Comparable {
    case rows, personal

    static func < (left: Part, right: Part) -> Bool { left == .rows && right == .personal }
  }
  let projection: String
  let part: Part

  static func < (left: UnitID, right: UnitID) -> Bool {
    left.part == right.part ? left.projection < right.projection : left.part < right.part
  }
}
