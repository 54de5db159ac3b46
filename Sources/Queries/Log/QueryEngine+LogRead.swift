import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Refusals

/// Which records of the log a reader gets: those of the caller's scope, and of those the ones asked for.
public struct LogFilter: Sendable {
  /// Full event names; `pipeline.*` stands for all of a type. Nil for every event.
  public let events: [String]?
  /// Only events of these resources; nil for all.
  public let resources: Set<Identifier>?
  /// Only events of this organization; nil for all, those of no organization included.
  public let organization: Identifier?
  /// Only what this actor did; nil for all.
  public let actor: String?
  /// What the caller may read at all.
  public let scope: RecordScope

  /// Whether every record passes, so that none needs to be looked into.
  public var isOpen: Bool {
    events == nil && resources == nil && organization == nil && actor == nil && scope.organizations == nil
  }

  /// Whether it lets records through of whatever resource and organization: reading by it is recorded.
  public var isOfWholeLog: Bool { resources == nil && organization == nil && scope.organizations == nil }

  /// The records that pass, of some in order.
  /// - Parameter snapshot: The log as it is now: it says of whom an account's record is.
  /// - Throws: `EventLogError` where a header or a state is damaged.
  public func accepted(_ records: [LogRecord], in snapshot: borrowing LogSnapshot) throws -> [LogRecord] {
    if isOpen { return records }
    var accepted: [LogRecord] = []
    for record in records {
      let header = try record.parsedHeader()
      if isWanted(header), try scope.permits(header, in: snapshot) { accepted.append(record) }
    }
    return accepted
  }

  private func isWanted(_ header: EventHeader) -> Bool {
    if let resources, !resources.contains(header.resource) { return false }
    if let organization, header.organization != organization { return false }
    if let actor, !header.isDone(by: actor) { return false }
    guard let events else { return true }
    return events.contains { wanted in
      if wanted.utf8.elementsEqual(header.event.utf8) { return true }
      guard wanted.utf8.count > 2, wanted.utf8.suffix(2).elementsEqual(".*".utf8) else { return false }
      return header.event.utf8.starts(with: wanted.utf8.dropLast())
    }
  }
}

extension LogFilter {
  /// Where reading begins, and what is read: the parameters that `log.read` and `log.subscribe` share.
  package static let fields: [Field] = [
    .count("from", "The first position.", in: 1...Int64.max, default: 1),
    .parameter("events", .tags, "Only events of these names; pipeline.* stands for all of one type."),
    .parameter("resource_id", .uuid, "Only events of this resource."),
    .parameter("resource_ids", .tags, "Only events of these resources."),
    .parameter("organization_id", .uuid, "Only events of this organization."),
    .parameter("actor", .text, "Only what this actor did: user:<uuid>, api_key:<uuid>, local:<uid> or server."),
  ]
}

extension QueryMethod {
  /// `log.read`: records as they are stored, in order.
  static let logRead = QueryMethod(
    "log.read", "Records as they are stored and hashed, in order.",
    LogFilter.fields + [.limit(100, atMost: 10_000)],
    result: Schemas.object([
      "next": Schemas.integer, "position": Schemas.integer,
      "records": Schemas.array(of: Schemas.object(["body": Schemas.anyObject, "header": Schemas.anyObject])),
    ]),
    errors: [.forbidden],
    answer: { try await $1.engine.readLog($0, $1) })
}

extension QueryEngine {
  /// How many stored bytes one answer carries at most, unless a single record is larger.
  private static let maximumBytes = 2 << 20
  /// How many records one call looks at; it then answers what it found, and where to go on.
  private static let maximumScanned = 50_000

  /// The filter that `log.read` and `log.subscribe` share: what was asked for, within what the caller may see.
  /// - Throws: ``Refusal`` `forbidden` where the caller may read the log nowhere, `invalid_params` for an id that is
  ///   none.
  package func logFilter(_ arguments: Arguments, principal: Principal) throws -> LogFilter {
    guard let scope = RecordScope(.log, of: principal, in: catalog) else {
      throw Refusal.forbidden(permission: "log:read")
    }
    var resources = arguments.identifier("resource_id").map { Set([$0]) }
    if let texts = arguments.texts("resource_ids") {
      let ids = texts.compactMap { Identifier($0) }
      guard ids.count == texts.count else { throw Refusal.invalidParam("/resource_ids", "must be ids") }
      resources = resources.map { $0.intersection(ids) } ?? Set(ids)
    }
    return LogFilter(
      events: arguments.texts("events"), resources: resources, organization: arguments.identifier("organization_id"),
      actor: arguments.text("actor"), scope: scope)
  }

  /// A record as it is sent: `{"body":…,"header":…}` around the stored bytes.
  public static func spliced(_ record: LogRecord, into output: inout [UInt8]) {
    output.append(contentsOf: #"{"body":"#.utf8)
    output.append(contentsOf: record.body)
    output.append(contentsOf: #","header":"#.utf8)
    output.append(contentsOf: record.header)
    output.append(UInt8(ascii: "}"))
  }

  fileprivate func readLog(_ arguments: Arguments, _ call: QueryCall) async throws -> [UInt8] {
    let limit = arguments.count("limit")
    let filter = try logFilter(arguments, principal: call.principal)
    var given: (first: UInt64, last: UInt64)?
    var output: [UInt8] = []
    output.reserveCapacity(64 << 10)
    let head = log.head.position
    output.append(contentsOf: #"{"next":"#.utf8)
    var records: [UInt8] = []
    var position = arguments.position("from") ?? 1
    var count = 0
    var scanned = 0
    scan: while position <= head, count < limit, scanned < Self.maximumScanned, records.count < Self.maximumBytes {
      let wanted = filter.isOpen ? min(limit - count, 2000) : 2000
      let (chunk, accepted) = try await log.whileWanted {
        [from = position, maximum = Self.maximumBytes - records.count] snapshot in
        let chunk = try snapshot.records(from: from, limit: wanted, maximumBytes: maximum)
        return (chunk, Set(try filter.accepted(chunk, in: snapshot).map(\.position)))
      }
      guard !chunk.isEmpty else { break }
      for record in chunk {
        guard count < limit, record.position <= head else { break scan }
        scanned += 1
        position = record.position + 1
        guard accepted.contains(record.position) else { continue }
        if count > 0 { records.append(UInt8(ascii: ",")) }
        Self.spliced(record, into: &records)
        count += 1
        given = (given?.first ?? record.position, record.position)
      }
    }
    if filter.isOfWholeLog, let given { call.note(.log(records: count, first: given.first, last: given.last)) }
    JSONText.writeInteger(Int64(position), into: &output)
    output.append(contentsOf: #","position":"#.utf8)
    JSONText.writeInteger(Int64(head), into: &output)
    output.append(contentsOf: #","records":["#.utf8)
    output.append(contentsOf: records)
    output.append(contentsOf: "]}".utf8)
    return output
  }
}
