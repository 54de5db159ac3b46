import Access
import CanonicalJSON
import Catalog

#if canImport(Glibc)
  import Glibc
#endif

/// What the projector knows of a resource type: which fields go where, and what
/// its events are called in the audit trail.
final class PostedType: Sendable {
  /// Where a field's value goes.
  enum Place: Sendable, Equatable {
    /// Into the row.
    case row
    /// Into the row as the text of its token.
    case token
    /// Into the table of personal columns.
    case personal
    /// Nowhere: a hash that is never shown.
    case hidden
  }
  /// A field as a `set` holds it.
  struct PostedField: Sendable {
    let name: String
    let key: [UInt8]
    let place: Place
    let isVersioned: Bool
    /// The column that keeps the form in which its texts are compared, and which form that is.
    var folded: (key: [UInt8], comparison: Field.Comparison)?

    /// What that column holds beside a value.
    func form(of value: JSON) -> JSON {
      guard let folded, let text = value.stringValue else { return .null }
      return folded.comparison.stored(of: text).map { .string($0) } ?? .null
    }
  }

  let name: String
  let plural: String
  let hasReadModel: Bool
  let isOrganization: Bool
  /// Who may see its rows.
  let audience: Audience
  /// Whether only some offices see its resources, and the records of what happened to them.
  let isVeiled: Bool
  /// The personal columns that are for no SQL role.
  let withheld: Set<String>
  /// All fields that a `set` may hold, in the order of canonical JSON.
  let fields: [PostedField]
  /// Whether any field makes versions.
  let isVersioned: Bool
  private let executed: Set<String>
  private let internalVerbs: Set<String>

  init(_ type: ResourceType) {
    name = type.name
    plural = type.plural
    hasReadModel = type.hasReadModel
    isOrganization = type.name == "organization"
    audience = Audience(type)
    isVeiled = type.recipients.map { !$0.contains(.organizationAdministrators) } ?? false
    withheld = Set(
      type.fields.filter { $0.personal.map { !$0.recipients.contains(.members) } ?? false }
        .flatMap { [$0.name] + ($0.foldedColumn.map { [$0] } ?? []) })
    let versioned = Set(type.versionedContent)
    isVersioned = !versioned.isEmpty
    var fields = type.fields.map { field in
      PostedField(
        name: field.name, key: Array(field.name.utf8), place: PostedType.place(of: field),
        isVersioned: versioned.contains(field.name),
        folded: field.comparison.flatMap { comparison in
          field.foldedColumn.map { (Array($0.utf8), comparison) }
        })
    }
    for name in ["number", "organization_id", "created_by", "deleted_at"] where type.field(name) == nil {
      fields.append(PostedField(name: name, key: Array(name.utf8), place: .row, isVersioned: false))
    }
    self.fields = fields.sorted { $0.key.lexicographicallyPrecedes($1.key) }
    executed = Set(type.commands.filter { $0.permission == .execute && $0.effect != .create }.map(\.event))
    internalVerbs = Set(type.commands.filter(\.isInternal).map(\.event))
  }

  static func place(of field: Field) -> Place {
    if field.personal != nil { return .personal }
    switch field.secret {
    case .hash, .password: return .hidden
    case .whole: return .token
    case .members, .configuration, .texts, .refused, nil: return .row
    }
  }

  /// The place in ``fields`` of a key, searching from `hint` on, since keys come in order.
  func index(of key: ArraySlice<UInt8>, from hint: Int) -> Int? {
    var index = hint
    while index < fields.count {
      let order = PostedType.order(key, fields[index].key)
      if order == 0 { return index }
      if order < 0 { return nil }
      index += 1
    }
    return nil
  }

  private static func order(_ left: ArraySlice<UInt8>, _ right: [UInt8]) -> Int {
    let common = left.withUnsafeBytes { left in
      right.withUnsafeBytes { right -> Int32 in
        guard let leftStart = left.baseAddress, let rightStart = right.baseAddress else { return 0 }
        return memcmp(leftStart, rightStart, min(left.count, right.count))
      }
    }
    return common == 0 ? left.count - right.count : Int(common)
  }

  /// What the audit trail calls an event: create, read, update, delete or execute.
  func action(_ event: StoredEvent) -> String {
    let verb = String(event.verb)
    if let deleted = event.setValue("deleted_at"), !event.body.isNull(deleted) { return "delete" }
    if event.version == 1, hasReadModel { return "create" }
    // What is recorded of a read has facts, as what is executed has.
    if !hasReadModel, verb == "read" || verb == "log_read" { return "read" }
    // Whoever executes something is who is shown its secrets: that is a read.
    if verb == "revealed" { return "read" }
    if executed.contains(verb) { return "execute" }
    if !event.set.isEmpty { return "update" }
    if internalVerbs.contains(verb) || event.data != nil { return "execute" }
    return "read"
  }
}
