import Access
import BasicTypes
import CanonicalJSON
import Catalog
import EventLog
import Refusals
import Vault

/// Turns what the log holds into what a caller may see: personal values opened, secrets hidden.
///
/// Whether the caller may see the resource at all, and which personal fields of it, is for the caller of this to decide
/// before.
public struct StateView: Sendable {
  private let model: CatalogModel
  private let sealer: Sealer
  /// Who is shown what may only be stored; nobody where nil.
  private var reader: Principal?

  /// A view by the same catalog and vault as the log's indexes. It shows nobody's values that may only be stored.
  public init(_ rules: IndexRules) {
    model = rules.model
    sealer = rules.sealer
  }

  /// The view of a caller: officers, and whose they are, are shown values that may only be stored.
  public func reading(as principal: Principal) -> StateView {
    var view = self
    view.reader = principal
    return view
  }

  /// A resource as `get` shows it: every declared field, null where it is empty, `{"erased":true}` where the value was
  /// erased, `{"locked":true}` where its key is missing and `{"restricted":true}` where it may only be stored; secret
  /// members as `"********"`; hashes and whole secrets left out; and `id`, `number`, `organization_id`, `created_by`,
  /// `created_at`, `updated_at`, `version`, and `deleted_at` where it was deleted.
  /// - Parameter withheld: The fields that are not for who asks; they show as null.
  /// - Throws: ``Refusal`` where a sealed value is damaged.
  public func item(_ state: ResourceState, withholding withheld: Set<String> = []) throws -> JSONObject {
    var item = try visibleFields(state.fields, type: state.type, resource: state.id)
    item["id"] = .string(state.id.text)
    item["created_at"] = .string(state.createdAt.text)
    item["updated_at"] = .string(state.updatedAt.text)
    item["version"] = .integer(state.version)
    item["deleted_at"] = state.deletedAt.map { .string($0.text) }
    for name in withheld { item[name] = .null }
    return complete(
      item, from: state.fields, type: state.type, organization: state.organization.map { .string($0.text) })
  }

  /// A row of a read model as ``item(_:withholding:)`` shows a state. `fields` holds the implicit ones too, and
  /// personal values opened.
  public func item(
    fields: JSONObject, id: Identifier, type: String, withholding withheld: Set<String>
  ) throws -> JSONObject {
    var item = try visibleFields(fields, type: type, resource: id)
    for name in ["id", "created_at", "updated_at", "version", "deleted_at"] {
      item[name] = fields[name]
    }
    for name in withheld { item[name] = .null }
    return complete(item, from: fields, type: type, organization: fields["organization_id"])
  }

  /// The item with the implicit fields that are shown even where they are empty.
  private func complete(
    _ item: JSONObject, from fields: JSONObject, type: String, organization: JSON?
  ) -> JSONObject {
    var item = item
    item["number"] = fields["number"] ?? .null
    item["created_by"] = fields["created_by"] ?? .null
    if let type = model.types[type], type.organization != .none { item["organization_id"] = organization ?? .null }
    return item
  }

  /// The declared fields of a type as they are shown: null where empty. Fields of a type that the catalog no longer has
  /// are shown as they are, sealed values masked.
  public func visibleFields(_ fields: JSONObject, type: String, resource: Identifier) throws -> JSONObject {
    guard let type = model.types[type] else { return fields.mapValues { StateView.masked($0) } }
    var visible = JSONObject(minimumCapacity: type.fields.count + 8)
    for field in type.fields {
      guard !field.field.isHidden else { continue }
      visible[field.name] = try fields[field.name].map { try shown($0, field, resource) } ?? .null
    }
    return visible
  }

  /// What an event changed, field by field, as `history` shows it: `{"name":{"from":…,"to":…}}`. A secret that
  /// changed shows as masked on both sides.
  public func changes(type: String, resource: Identifier, set: JSONObject, was: JSONObject) throws -> JSONObject {
    let model = model.types[type]
    var changes = JSONObject(minimumCapacity: set.count)
    for (name, value) in set {
      let field = model?.field(name)
      var change: JSONObject = [
        "from": try side(was[name] ?? .null, field, resource), "to": try side(value, field, resource),
      ]
      // Both sides show the mask where a secret changed, so its place is told.
      let secrets = try secretDifferences(in: name, type: type, resource: resource, from: was[name], to: value)
      if !secrets.isEmpty { change["secrets"] = .array(secrets.map(JSON.string)) }
      changes[name] = .object(change)
    }
    return changes
  }

  /// One side of a change.
  private func side(_ value: JSON, _ field: FieldModel?, _ resource: Identifier) throws -> JSON {
    guard let field else { return StateView.masked(value) }
    switch field.keeping {
    case .hash, .passwordHash, .secret: return value.isNull ? .null : .string(Sealer.mask)
    default: return try shown(value, field, resource)
    }
  }

  /// What differs between two states of a resource, field by field, and inside JSON values by JSON Pointer (RFC 6901),
  /// as `diff` shows it. A secret that differs shows as masked on both sides.
  public func differences(
    type: String, resource: Identifier, from: JSONObject, to: JSONObject
  ) throws -> [JSONDifference] {
    var differences = JSONDifference.compare(
      .object(try visibleFields(from, type: type, resource: resource)),
      .object(try visibleFields(to, type: type, resource: resource)))
    for field in model.types[type]?.fields ?? [] where from[field.name] != to[field.name] {
      switch field.keeping {
      case .plain, .personal: continue
      case .hash, .passwordHash, .secret:
        differences.append(
          JSONDifference(
            pointer: "/" + field.name, from: from[field.name].map { _ in .string(Sealer.mask) },
            to: to[field.name].map { _ in .string(Sealer.mask) }))
      case .secretMembers:
        let pointers = try secretDifferences(
          in: field.name, type: type, resource: resource, from: from[field.name], to: to[field.name])
        differences += pointers.map {
          JSONDifference(
            pointer: "/" + field.name + $0, from: .string(Sealer.mask), to: .string(Sealer.mask))
        }
      }
    }
    return differences
  }

  /// Whether a field's values may hold secrets that are sealed each at its place.
  public func hasSecrets(_ field: String, type: String) -> Bool {
    model.types[type]?.field(field)?.secretScope != nil
  }

  /// Where, by JSON Pointer from the field on, two values of a field have another secret at one place: what both sides
  /// show as the mask and is not the same in the clear. Secrets that can't be opened differ where their tokens do.
  public func secretDifferences(
    in field: String, type: String, resource: Identifier, from: JSON?, to: JSON?
  ) throws -> [String] {
    guard let scope = model.types[type]?.field(field)?.secretScope, let from, let to, from != to else { return [] }
    let members = SecretMembers(sealer: sealer, field: field, scope: scope, resource: resource)
    func sides(_ value: JSON) throws -> (shown: JSON, plain: JSON) {
      do {
        return (SecretMembers.masked(value, field: field, scope: scope), try members.open(value))
      } catch let error as VaultError {
        throw Refusal(causedBy: error)
      }
    }
    let (old, new) = (try sides(from), try sides(to))
    var pointers: [String] = []
    StateView.compareSecrets(old, new, "", &pointers)
    return pointers
  }

  private static func compareSecrets(
    _ from: (shown: JSON, plain: JSON), _ to: (shown: JSON, plain: JSON), _ pointer: String, _ pointers: inout [String]
  ) {
    switch (from.shown, to.shown) {
    case (.object(let old), .object(let new)):
      for (key, shown) in new {
        guard let shownBefore = old[key], let before = from.plain[key], let after = to.plain[key] else { continue }
        compareSecrets((shownBefore, before), (shown, after), "\(pointer)/\(JSONPointer.escape(key))", &pointers)
      }
    case (.array(let old), .array(let new)):
      let (before, after) = (from.plain.arrayValue ?? [], to.plain.arrayValue ?? [])
      for index in new.indices where index < old.count && index < before.count && index < after.count {
        compareSecrets((old[index], before[index]), (new[index], after[index]), "\(pointer)/\(index)", &pointers)
      }
    default:
      if SecretMembers.isMask(from.shown), SecretMembers.isMask(to.shown), from.plain != to.plain {
        pointers.append(pointer)
      }
    }
  }

  /// An event's reason in the clear; null where there is none, `{"erased":true}` where one of the persons it concerns
  /// was erased.
  ///
  /// In the log it is one token, sealed for each person that it concerns, one inside the other: it opens only while the
  /// keys of all of them exist.
  public func reason(_ reason: JSON?, resource: Identifier) throws -> JSON {
    try opened(reason ?? .null, field: "reason", resource)
  }

  /// An event's origin (`ip`, `user_agent`) in the clear; null where there is none, `{"erased":true}` where it was
  /// erased.
  public func origin(_ origin: JSON?, resource: Identifier) throws -> JSON {
    try opened(origin ?? .null, field: "origin", resource)
  }

  /// A personal value in the clear, or a mark where it can't be read.
  package func personal(_ stored: JSON, field: String, resource: Identifier) throws -> JSON {
    if !Vault.isSealed(stored), !stored.isNull, isKept(stored, field, resource) { return Unreadable.restricted }
    return try opened(stored, field: field, resource)
  }

  /// Whether a personal value may only be stored, whoever asks.
  package func isRestricted(_ stored: JSON, field: String, resource: Identifier) -> Bool {
    !sealer.restrictedPersons(in: stored, resource: resource, field: field).isEmpty
  }

  /// Whether a value may only be stored, and is not for the reader.
  private func isKept(_ value: JSON, _ field: String, _ resource: Identifier) -> Bool {
    sealer.restrictedPersons(in: value, resource: resource, field: field).contains { person in
      reader.map { !$0.isShownRestricted(of: person) } ?? true
    }
  }

  /// An event's facts in the clear; a sealed member whose key was destroyed (its retention ended) is
  /// `{"erased":true}`.
  public func data(_ data: JSONObject, resource: Identifier) throws -> JSONObject {
    var open = data
    for (name, value) in data where Vault.isSealed(value) {
      open[name] = try opened(value, field: "data/\(name)", resource)
    }
    return open
  }

  /// An event's facts in the clear, without the sealed members that can't be read.
  package func readableData(_ data: JSONObject, resource: Identifier) throws -> JSONObject {
    let open = try self.data(data, resource: resource)
    return open.filter { name, value in
      guard let stored = data[name], Vault.isSealed(stored) else { return true }
      return !Unreadable.isMark(value)
    }
  }

  private func shown(_ value: JSON, _ field: FieldModel, _ resource: Identifier) throws -> JSON {
    switch field.keeping {
    case .plain: value
    case .personal: try personal(value, field: field.name, resource: resource)
    case .secretMembers(let scope): SecretMembers.masked(value, field: field.name, scope: scope)
    case .hash, .passwordHash, .secret: .string(Sealer.mask)
    }
  }

  private func opened(_ value: JSON, field: String, _ resource: Identifier) throws -> JSON {
    do {
      let opened = try sealer.open(value, resource: resource, field: field)
      if case .value = opened, Vault.isSealed(value), isKept(value, field, resource) { return Unreadable.restricted }
      return Unreadable.shown(opened)
    } catch let error as VaultError {
      throw Refusal(causedBy: error)
    }
  }

  /// A value with every sealed one in it, at any depth, masked.
  package static func masked(_ value: JSON) -> JSON {
    switch value {
    case .object(let object):
      if Vault.isSealed(value) { return .string(Sealer.mask) }
      return .object(object.mapValues(masked))
    case .array(let elements): return .array(elements.map(masked))
    default: return value
    }
  }
}
