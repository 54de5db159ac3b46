import CanonicalJSON
import DaybookClient

/// Finds what a person names by a word instead of an id.
enum Lookup {
  /// The id of an organization that is named by its id or its slug.
  static func organization(_ name: String, _ client: DaybookClient) async throws -> String {
    if isIdentifier(name) { return name.lowercased() }
    let found = try await client.call("organization.get", ["slug": .string(name)])
    guard let id = found["item"]?["id"]?.stringValue else {
      throw ClientError.malformed("an organization without an id")
    }
    return id
  }

  /// Whether a text has the form of a UUID.
  static func isIdentifier(_ text: String) -> Bool {
    let bytes = Array(text.utf8)
    guard bytes.count == 36 else { return false }
    return bytes.enumerated().allSatisfy { index, byte in
      if index == 8 || index == 13 || index == 18 || index == 23 { return byte == UInt8(ascii: "-") }
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
        UInt8(ascii: "A")...UInt8(ascii: "F"):
        return true
      default: return false
      }
    }
  }

  /// The id of a resource that is named by its id, or by a name that only one of its type has.
  static func resource(_ name: String, type: String, _ client: DaybookClient) async throws -> String {
    if isIdentifier(name) { return name.lowercased() }
    let found = try await client.callAfterWrites("\(type).list", ["where": ["name": .string(name)], "limit": 20])
    let items = found["items"]?.arrayValue ?? []
    guard items.count <= 1 else {
      let choices = items.map { item in
        [item.cell("id"), item.cell("namespace")].filter { !$0.isEmpty }.joined(separator: "  ")
      }
      throw Failure(
        .refused, "More than one \(type) has this name.", place: choices.joined(separator: "\n      "),
        next: "Name the one that you mean by its id.")
    }
    guard let id = items.first?["id"]?.stringValue else {
      throw Failure(
        .refused, "There is no \(type) of this name.", place: name,
        next: "daybook call \(type).list shows what there is.")
    }
    return id
  }
}
