import BasicTypes
import CanonicalJSON
import MerkleTree

/// A body that an event drops, and what stands in its place from then on.
///
/// A header commits to its body by hash, so the body can go while every proof holds. In its place stands another one
/// that says which event dropped it; that event names the position and the hash of the replacement, so the replacement
/// is covered by the tree as well. Nothing else makes a body legal that its header doesn't commit to.
public struct DroppedBody: Sendable {
  /// The member, the first of a replacement, that holds the position of the event that dropped the body.
  package static let member: StaticString = "$dropped"
  /// The member of a body that names the bodies which its event drops.
  static let naming: StaticString = "drops"
  /// How many bodies one event drops at most: whoever reads a dropped body looks through what its event names.
  public static let mostOfOneEvent = 256

  /// Where the body is.
  public let position: UInt64
  /// The resource that the event there is about.
  public let resource: Identifier
  /// The members that stay.
  public let body: JSONObject

  /// What stays of a record's body: other values of `set`, `was` and `data`, and everything else but the salt, with
  /// which the dropped values could be guessed from the hash in the header.
  /// - Throws: ``EventLogError`` where the record can't be read.
  public init(_ record: LogRecord, set: JSONObject, was: JSONObject, data: JSONObject) throws {
    let header = try record.parsedHeader()
    _ = try record.parsedBody()
    guard var members = try JSON.parse(record.body).objectValue else {
      throw EventLogError.damaged("the body at position \(record.position) is no object")
    }
    members.removeValue(forKey: "salt")
    members.removeValue(forKey: "\(DroppedBody.member)")
    for (name, values) in [("set", set), ("was", was), ("data", data)] where members.contains(name) {
      members[name] = .object(values)
    }
    position = record.position
    resource = header.resource
    body = members
  }

  private static let opening: StaticString = #"{"$dropped":"#

  /// Whether something stands for a body as if it had been dropped.
  static func claims(_ body: UnsafeRawBufferPointer) -> Bool {
    body.count > opening.utf8CodeUnitCount && body.starts(with: UnsafeRawBufferPointer(opening))
  }

  /// The event that is said to have dropped a body; nil where it says no such thing.
  static func event(claimedBy body: UnsafeRawBufferPointer) -> UInt64? {
    guard claims(body) else { return nil }
    var scanner = CanonicalScanner(body)
    return scanner.next().flatMap { CanonicalScanner.integer($0.value) }
  }

  /// Whether the body of an event names a record as dropped, with what stands in its place.
  static func isNamed(_ record: LogRecord, in naming: [UInt8]) -> Bool {
    let hash = record.body.withUnsafeBytes { RFC6962.sha256($0) }
    let entry = BodyDrop.entry(position: record.position, hash: hash)
    return naming.withUnsafeBytes { naming in
      guard !claims(naming), let names = names(in: naming) else { return false }
      var start = 1
      while start < names.count {
        let rest = UnsafeRawBufferPointer(rebasing: names[start...])
        if rest.starts(with: entry) { return true }
        guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else { return false }
        start += end + 2
      }
      return false
    }
  }

  /// What a body names as dropped: the array as it is written; nil where it names nothing.
  static func names(in body: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    var scanner = CanonicalScanner(body)
    while let member = scanner.next() {
      if CanonicalScanner.equal(member.key, naming) { return member.value }
      // Members are sorted.
      if let first = member.key.first, first > UInt8(ascii: "d") { return nil }
    }
    return nil
  }
}

extension UnsafeRawBufferPointer {
  fileprivate init(_ text: StaticString) { self.init(start: text.utf8Start, count: text.utf8CodeUnitCount) }
}

/// A body that stands in the place of a dropped one, as it is written.
struct BodyReplacement {
  let body: [UInt8]
  /// The event that dropped the other one.
  let event: UInt64
}

/// What an event names of a body that it drops.
struct BodyDrop {
  /// The body in its place.
  let body: [UInt8]
  /// The entry in the event's body.
  let entry: [UInt8]

  init(_ drop: DroppedBody, by event: UInt64) {
    body = drop.body.merging(["\(DroppedBody.member)": JSON(position: event)]).canonicalBytes
    entry = BodyDrop.entry(position: drop.position, hash: body.withUnsafeBytes { RFC6962.sha256($0) })
  }

  static func entry(position: UInt64, hash: Digest) -> [UInt8] {
    Array(#"{"body":"\#(hash.base64)","position":\#(position)}"#.utf8)
  }
}
