import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import MerkleTree
import Refusals

extension QueryMethod {
  /// `log.headers`: the leaves of the tree, without bodies.
  static let logHeaders = QueryMethod(
    "log.headers",
    """
    Headers exactly as they are hashed, in order, without bodies; in place of one that the caller may not see, its leaf \
    hash.
    """,
    [
      .count("from", "The first position.", in: 1...Int64.max, default: 1),
      .parameter(
        "organization_id", .uuid, "Show only headers of this organization, and of all others the leaf hashes."),
      .limit(1000, atMost: 10_000),
    ],
    result: Schemas.object([
      "headers": Schemas.array(of: ["type": ["object", "string"]]), "next": Schemas.integer,
      "position": Schemas.integer,
    ]),
    errors: [.forbidden],
    answer: { try await $1.engine.readHeaders($0, $1.principal) })
}

extension QueryEngine {
  /// How many stored bytes one answer carries at most, unless a single header is larger.
  private static let maximumHeaderBytes = 4 << 20

  /// Whose headers a caller is shown: those of some organizations; nil for all.
  /// - Throws: ``Refusal`` `forbidden` where the caller may read the log nowhere, or not where they ask.
  private func shownHeaders(_ wanted: Identifier?, to principal: Principal) throws -> Set<Identifier>? {
    if principal.readsAllHeaders { return wanted.map { [$0] } }
    guard let reach = Audience.log.reach(of: principal) else { throw Refusal.forbidden(permission: "log:read") }
    guard let own = reach.organizations else { return wanted.map { [$0] } }
    guard let wanted else { return own }
    guard own.contains(wanted) else { throw Refusal.forbidden(permission: "log:read") }
    return [wanted]
  }

  fileprivate func readHeaders(_ arguments: Arguments, _ principal: Principal) async throws -> [UInt8] {
    let shown = try shownHeaders(arguments.identifier("organization_id"), to: principal)
    let from = arguments.position("from") ?? 1
    let limit = arguments.count("limit")
    let (headers, head) = try await log.whileWanted { snapshot in
      (
        try snapshot.headers(from: from, limit: limit, maximumBytes: Self.maximumHeaderBytes), snapshot.head.position
      )
    }
    var output: [UInt8] = []
    output.reserveCapacity(headers.reduce(256) { $0 + $1.count + 1 })
    output.append(contentsOf: #"{"headers":["#.utf8)
    for (index, header) in headers.enumerated() {
      if index > 0 { output.append(UInt8(ascii: ",")) }
      try Self.write(header, at: from + UInt64(index), shown, into: &output)
    }
    output.append(contentsOf: #"],"next":"#.utf8)
    JSONText.writeInteger(Int64(from) + Int64(headers.count), into: &output)
    output.append(contentsOf: #","position":"#.utf8)
    JSONText.writeInteger(Int64(head), into: &output)
    output.append(UInt8(ascii: "}"))
    return output
  }

  private static func write(
    _ header: [UInt8], at position: UInt64, _ shown: Set<Identifier>?, into output: inout [UInt8]
  ) throws {
    if let shown {
      let parsed = try LogRecord(position: position, header: header, body: []).parsedHeader()
      guard let organization = parsed.organization, shown.contains(organization) else {
        JSONText.writeString(RFC6962.leafHash(header).base64, into: &output)
        return
      }
    }
    output.append(contentsOf: header)
  }
}
