import BasicTypes
import CanonicalJSON
import Records
import Vault

/// Opens sealed values for the personal tables. What can't be opened any more, or not yet, or may only be stored (GDPR
/// Art. 18), is nil: the column is NULL.
struct ValueOpener: Sendable {
  let vault: Vault

  /// The value with its seals off, however many; nil where a key is destroyed or missing, or where it may only be
  /// stored.
  /// - Throws: ``PreparedChunk/Failure`` where a token was made for another place, which means damage.
  func open(_ stored: JSON, of resource: Identifier, field: String) throws -> JSON? {
    do {
      if isRestricted(stored, resource, field) { return nil }
      guard case .value(let value) = try vault.openFully(stored, resourceID: resource, field: field) else { return nil }
      return value
    } catch let error as VaultError {
      throw PreparedChunk.Failure(message: error.message)
    }
  }

  private func isRestricted(_ stored: JSON, _ resource: Identifier, _ field: String) -> Bool {
    !Sealer(vault: vault).restrictedPersons(in: stored, resource: resource, field: field).isEmpty
  }

  /// The value of a stored line.
  func read(_ line: RawJSON, _ range: Range<Int>) throws -> JSON {
    guard let value = line.value(range) else { throw PreparedChunk.Failure(message: "A stored body is not JSON.") }
    return value
  }

  /// The reason as a text.
  func reason(_ event: StoredEvent) throws -> JSON? {
    guard let range = event.reason else { return nil }
    let opened = try open(try read(event.body, range), of: event.resource, field: "reason")
    guard let opened, opened.stringValue == nil, !opened.isNull else { return opened }
    return .string(opened.canonicalString)
  }

  /// Whom an event's reason speaks of and, of a person's account, in which organizations it was given: for whom it is.
  func bounds(ofReason event: StoredEvent) throws -> [(key: String, value: JSON)] {
    guard let range = event.reason else { return [] }
    func list(_ ids: [Identifier]) -> JSON { .array(ids.map { .string($0.text) }) }
    let persons = Sealer(vault: vault).persons(
      spokenOfBy: try read(event.body, range), of: event.actor, resource: event.resource)
    var bounds: [(key: String, value: JSON)] = persons.isEmpty ? [] : [("about", list(persons))]
    if event.type == "user", let data = try data(event)?.objectValue {
      bounds.append(("given_in", list(ReasonGivenIn.organizations(data))))
    }
    return bounds
  }

  /// The origin as an object whose `ip` PostgreSQL takes as an address.
  func origin(_ event: StoredEvent) throws -> JSON? {
    guard let range = event.origin,
      let opened = try open(try read(event.body, range), of: event.resource, field: "origin"),
      var origin = opened.objectValue
    else { return nil }
    for (key, value) in origin where Vault.isSealed(value) {
      origin[key] = try open(value, of: event.resource, field: "origin/\(key)") ?? .null
    }
    if let ip = origin["ip"]?.stringValue { origin["ip"] = ValueOpener.address(ip).map { .string($0) } ?? .null }
    return .object(origin)
  }

  /// The facts, with their sealed members opened and without those that can't be.
  func data(_ event: StoredEvent) throws -> JSON? {
    guard let range = event.data, let data = try read(event.body, range).objectValue else { return nil }
    var opened = JSONObject(minimumCapacity: data.count)
    for (key, value) in data {
      if let value = try open(value, of: event.resource, field: "data/\(key)") { opened.append(key: key, value: value) }
    }
    return .object(opened)
  }

  /// An address as `inet` takes it, without the zone of a link-local one; nil where it is none.
  static func address(_ text: String) -> String? {
    let plain = String(text.prefix { $0 != "%" })
    return IPAddress.canonical(plain) == nil ? nil : plain
  }
}
