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
    errors: [.forbidden, .notFound],
    answer: { try await $1.engine.readHeaders($0, $1.principal) })
}

extension QueryEngine {
  /// How many stored bytes one answer carries at most, unless a single header is larger.
  private static let maximumHeaderBytes = 4 << 20

  /// What a caller reads of the log, as ``log.read`` gives it; nil for who reads all headers.
  /// - Throws: ``Refusal`` `forbidden` where the caller may read the log nowhere, or not where they ask; `not_found`
  ///   where they may not know of the organization.
  private func headerScope(_ wanted: Identifier?, of principal: Principal) throws -> RecordScope? {
    if principal.readsAllHeaders { return nil }
    guard let scope = RecordScope(.log, of: principal, in: catalog) else {
      throw Refusal.forbidden(permission: "log:read")
    }
    if let wanted, let own = scope.organizations, !own.contains(wanted) {
      guard principal.canSee(organization: wanted) else {
        throw Refusal.notFound(type: "organization", id: wanted.text)
      }
      throw Refusal.forbidden(permission: "log:read")
    }
    return scope
  }

  fileprivate func readHeaders(_ arguments: Arguments, _ principal: Principal) async throws -> [UInt8] {
    let wanted = arguments.identifier("organization_id")
    let scope = try headerScope(wanted, of: principal)
    let from = arguments.position("from") ?? 1
    let limit = arguments.count("limit")
    return try await log.whileWanted { snapshot in
      let headers = try snapshot.headers(from: from, limit: limit, maximumBytes: Self.maximumHeaderBytes)
      var output: [UInt8] = []
      output.reserveCapacity(headers.reduce(256) { $0 + $1.count + 1 })
      output.append(contentsOf: #"{"headers":["#.utf8)
      for (index, header) in headers.enumerated() {
        if index > 0 { output.append(UInt8(ascii: ",")) }
        let position = from + UInt64(index)
        if try Self.isShown(header, at: position, wanted, scope, snapshot) {
          output.append(contentsOf: header)
        } else {
          JSONText.writeString(RFC6962.leafHash(header).base64, into: &output)
        }
      }
      output.append(contentsOf: #"],"next":"#.utf8)
      JSONText.writeInteger(Int64(from) + Int64(headers.count), into: &output)
      output.append(contentsOf: #","position":"#.utf8)
      JSONText.writeInteger(Int64(snapshot.head.position), into: &output)
      output.append(UInt8(ascii: "}"))
      return output
    }
  }

  private static func isShown(
    _ header: [UInt8], at position: UInt64, _ wanted: Identifier?, _ scope: RecordScope?,
    _ snapshot: borrowing LogSnapshot
  ) throws -> Bool {
    if wanted == nil, scope?.organizations == nil { return true }
    let parsed = try LogRecord(position: position, header: header, body: []).parsedHeader()
    if let wanted, parsed.organization != wanted { return false }
    return try scope?.permits(parsed, in: snapshot) ?? true
  }
}
