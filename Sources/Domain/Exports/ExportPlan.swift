import Access
import BasicTypes
import CanonicalJSON
import EventLog
import Evidence
import MerkleTree
import Records
import Refusals

/// The part of the log that an export is about, found out beside the writer: the head that the log signed, the range in
/// it, and how many events of that the filter asks for.
struct ExportPlan: Sendable {
  /// How many headers one look at the log takes, so that no reader of it lives long.
  private static let pageSize = 10_000

  let organization: Identifier?
  let filter: ExportFilter
  let since: Timestamp?
  let until: Timestamp?
  let isDecrypted: Bool
  let headersOf: Identifier?
  let withheldTypes: [String]
  /// The signed head, and the note of it.
  let head: LogHead
  let checkpoint: String
  var first: UInt64 = 1
  var last: UInt64 = 0
  var events: UInt64 = 0
  var withheld: UInt64 = 0

  /// Looks through the range.
  /// - Throws: ``Refusal``.
  init(_ question: ExportQuestion, _ engine: CommandEngine, _ prepared: PreparedCommand) async throws {
    let organization = question.organization(of: prepared)
    // Who may not is refused before anything is searched for them, and once more by the decision.
    try ExportQuestion.authorize(prepared.principal, in: organization)
    self.organization = organization
    var filter = question.filter
    filter.organization = organization
    self.filter = filter
    since = question.since
    until = question.until
    isDecrypted = question.isDecrypted
    headersOf = question.headersOf(organization, for: prepared.principal)
    withheldTypes = prepared.principal.veiledTypes(of: engine.catalog)
    do {
      guard let (head, note) = try engine.log.signedHead() else {
        throw Refusal.unavailable(component: "log", "This log has no key that signs checkpoints.")
      }
      self.head = head
      checkpoint = note
    } catch {
      throw Refusal(causedBy: error)
    }
    let range = try await range(of: question, engine)
    first = range.first
    last = range.last
    guard first <= last else {
      throw Refusal.invalidParam("/from", "no event lies in this range; the log has \(head.position)")
    }
    try await count(engine)
  }

  /// The terms of an export of this part.
  func terms(id: Identifier, actor: String, at time: Timestamp) -> ExportTerms {
    ExportTerms(
      id: id, actor: actor, at: time, filter: filter, since: since, until: until, first: first, last: last,
      treeSize: head.position, root: head.root, events: events, headersOf: headersOf, withheldTypes: withheldTypes,
      withheld: withheld, isDecrypted: isDecrypted)
  }

  private func range(of question: ExportQuestion, _ engine: CommandEngine) async throws -> (first: UInt64, last: UInt64)
  {
    let end = head.position
    return try await engine.inBackground { snapshot in
      var first = question.from ?? 1
      var last = min(question.to ?? end, end)
      if let since = question.since {
        first = max(first, try snapshot.position(at: Timestamp(microseconds: since.microseconds - 1)) + 1)
      }
      if let until = question.until {
        last = min(last, try snapshot.position(at: Timestamp(microseconds: until.microseconds - 1)))
      }
      return (first, last)
    }
  }

  private mutating func count(_ engine: CommandEngine) async throws {
    // Without a filter there is nothing to look for.
    let terms = terms(id: Identifier.systemUser, actor: "", at: .minimum)
    if filter.isOpen, terms.showsAll {
      events = last - first + 1
      return
    }
    var position = first
    while position <= last {
      let limit = Int(min(UInt64(Self.pageSize), last - position + 1))
      let page = try await engine.inBackground { [position] snapshot in
        var events: UInt64 = 0
        var withheld: UInt64 = 0
        let headers = try snapshot.headers(from: position, limit: limit, maximumBytes: 4 << 20)
        for header in headers {
          guard let parsed = EvidenceHeader(try JSON.parse(header)) else {
            throw Refusal.internalError("A header from position \(position) on lacks a member.")
          }
          let isShown = terms.shows(parsed)
          if !isShown { withheld += 1 }
          if isShown, terms.filter.accepts(parsed) { events += 1 }
        }
        return (count: headers.count, events: events, withheld: withheld)
      }
      events += page.events
      withheld += page.withheld
      position += UInt64(page.count)
    }
  }
}
