import CanonicalJSON
import Catalog
import DaybookClient
import Refusals

/// Finds what a person names by a word instead of an id.
enum Lookup {
  /// How many pages of a thousand are looked through for a name that is written in another way.
  private static let mostPages = 10

  /// The id of an organization that is named by its id, its slug or its name.
  static func organization(_ name: String, _ client: DaybookClient) async throws -> String {
    try await resource(name, type: "organization", client)
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

  /// The id of a resource that is named by its id, by a name that only one of its type has, by what else tells it from
  /// others (a slug, an e-mail address), in any case, or by the end of its id that a table shows.
  /// - Throws: ``Failure`` where nothing or several things are meant, with what may have been.
  static func resource(_ name: String, type: String, _ client: DaybookClient) async throws -> String {
    if isIdentifier(name) { return name.lowercased() }
    if let id = try await byNaturalKey(name, type: type, client) { return id }
    let found = try await exact(name, type: type, client)
    if let id = try await only(found, named: name, type: type, client) { return id }
    return try await inAnotherForm(name, type: type, client)
  }

  /// A name's id where it has one, and nil where nothing is called so.
  static func optional(_ name: String, type: String, _ client: DaybookClient) async throws -> String? {
    do {
      return try await resource(name, type: type, client)
    } catch let failure as Failure where failure.status == .refused {
      return nil
    }
  }

  private static func byNaturalKey(_ name: String, type: String, _ client: DaybookClient) async throws -> String? {
    let key: String
    switch type {
    case "organization": key = "slug"
    case "user" where name.contains("@"): key = "email"
    default: return nil
    }
    do {
      return try await client.call("\(type).get", [key: .string(name)])["item"]?["id"]?.stringValue
    } catch ClientError.remote(let refusal) where refusal.code == .notFound || refusal.code == .invalidParams {
      return nil
    }
  }

  /// Those that have exactly this name; none where the type's resources have no names.
  private static func exact(_ name: String, type: String, _ client: DaybookClient) async throws -> [JSON] {
    do {
      let found = try await client.callAfterWrites("\(type).list", ["where": ["name": .string(name)], "limit": 20])
      return found["items"]?.arrayValue ?? []
    } catch ClientError.remote(let refusal) where refusal.code == .methodNotFound {
      throw Failure(
        .usage, "There is no resource type “\(Terminal.plain(type))”.",
        next: try await suggestion(forType: type, client))
    } catch ClientError.remote(let refusal) where refusal.code == .invalidParams {
      return []
    }
  }

  private static func suggestion(forType type: String, _ client: DaybookClient) async throws -> String {
    let types = try await ServerTypes(client)
    do {
      return "Did you mean \(try types.type(type))?"
    } catch let failure as Failure {
      return failure.next ?? ""
    }
  }

  private static func only(
    _ items: [JSON], named name: String, type: String, _ client: DaybookClient
  ) async throws -> String? {
    guard items.count > 1 else { return items.first?["id"]?.stringValue }
    var slugs: [(id: String, slug: String)] = []
    for id in items.prefix(20).texts("organization_id") where !slugs.contains(where: { $0.id == id }) {
      slugs.append((id, try await slug(of: id, client)))
    }
    let choices = items.prefix(20).map { item in
      let organization = slugs.first { $0.id == item.cell("organization_id") }?.slug ?? ""
      return [
        item.cell("id"), Names.label(of: item, type: type) ?? "", item.cell("namespace"), item.cell("status"),
        organization.isEmpty ? "" : "in \(organization)",
      ]
      .filter { !$0.isEmpty }.map(Terminal.plain).joined(separator: "  ")
    }
    throw Failure(
      .refused, "More than one \(type) is called “\(Terminal.plain(name))”.",
      place: choices.joined(separator: "\n      "), next: "Name the one that you mean by its id.")
  }

  /// The slug of an organization; nothing where it can't be seen.
  private static func slug(of organization: String, _ client: DaybookClient) async throws -> String {
    do {
      return try await client.call("organization.get", ["id": .string(organization)])["item"]?.cell("slug") ?? ""
    } catch ClientError.remote {
      return ""
    }
  }

  /// The one whose name differs in case alone, or whose id ends so.
  private static func inAnotherForm(_ name: String, type: String, _ client: DaybookClient) async throws -> String {
    let ending = name.hasPrefix("…") ? String(name.dropFirst()) : name
    let isEnding =
      (6...12).contains(ending.utf8.count) && ending.allSatisfy { $0.isASCII && $0.isHexDigit }
    let wanted = folded(name)
    var same: [JSON] = []
    var names: [String] = []
    var params: JSONObject = ["limit": 1000]
    for _ in 0..<mostPages {
      let page = try await client.callAfterWrites("\(type).list", params)
      for item in page["items"]?.arrayValue ?? [] {
        let own = Names.labels.compactMap { item[$0]?.stringValue }.filter { !$0.isEmpty }
        let isMeant =
          own.contains { folded($0) == wanted }
          || (isEnding && item.cell("id").hasSuffix(ending.lowercased()))
        if isMeant { same.append(item) }
        names += own
      }
      guard let next = page["next_cursor"]?.stringValue else { break }
      params["cursor"] = .string(next)
    }
    if let id = try await only(same, named: name, type: type, client) { return id }
    let near = suggestions(for: wanted, among: names)
    throw Failure(
      .refused, "There is no \(type) called “\(Terminal.plain(name))”.",
      next: near.isEmpty
        ? "daybook list \(type) shows what there is."
        : "Did you mean \(near.map { "“\(Terminal.plain($0))”" }.joined(separator: " or "))?")
  }

  /// At most three names that are written nearly so, else some that have the word within them.
  private static func suggestions(for wanted: String, among names: [String]) -> [String] {
    var near: [String] = []
    let forms = names.map { ($0, folded($0)) }
    let words = Suggestion.nearest(to: wanted, in: forms.map(\.1), atMost: 3)
    for word in words { if let name = forms.first(where: { $0.1 == word })?.0 { near.append(name) } }
    if near.isEmpty, wanted.count >= 3 { near = forms.filter { $0.1.contains(wanted) }.map(\.0) }
    var distinct: [String] = []
    for name in near where !distinct.contains(name) { distinct.append(name) }
    return Array(distinct.prefix(3))
  }

  private static func folded(_ name: String) -> String {
    name.trimmed.lowercased().split(separator: " ").joined(separator: " ")
  }
}
