import BasicTypes
import CanonicalJSON

/// Which events of a range an export is about. It asks of a header alone, so that whoever has all headers of the range
/// can apply it again and see that nothing was left out.
package struct ExportFilter: Sendable, Equatable {
  /// Only events of this organization; nil for all, those of no organization included.
  package var organization: Identifier?
  /// Only events of resources of these types; empty for all.
  package var resourceTypes: [String] = []
  /// Only events of these resources; empty for all.
  package var resources: [Identifier] = []
  /// Only events of these names, where `pipeline.*` stands for all of a type; empty for all.
  package var events: [String] = []
  /// Only what this actor did, such as `user:<uuid>`, or an API key did for that person.
  package var actor: String?

  /// A filter that everything passes.
  package init() {}

  /// Whether everything passes.
  package var isOpen: Bool { self == ExportFilter() }

  /// Whether the filter asks for an event.
  package func accepts(_ header: EvidenceHeader) -> Bool {
    if let organization, header.organization != organization { return false }
    if let actor, !header.isDone(by: actor) { return false }
    if !resources.isEmpty, !resources.contains(header.resource) { return false }
    if !resourceTypes.isEmpty, !resourceTypes.contains(where: { $0.utf8.elementsEqual(header.type.utf8) }) {
      return false
    }
    return events.isEmpty || events.contains { ExportFilter.names($0, header.event) }
  }

  /// Whether a name of an event, or `type.*`, stands for an event.
  package static func names(_ wanted: String, _ event: String) -> Bool {
    if wanted.utf8.elementsEqual(event.utf8) { return true }
    guard wanted.utf8.count > 2, wanted.utf8.suffix(2).elementsEqual(".*".utf8) else { return false }
    return event.utf8.starts(with: wanted.utf8.dropLast())
  }

  /// The members that ask for something, each under the name of the parameter of `export.create`.
  package var json: JSONObject {
    var object = JSONObject()
    if let actor { object["actor"] = .string(actor) }
    if !events.isEmpty { object["events"] = .array(events.map(JSON.string)) }
    if let organization { object["organization_id"] = .string(organization.text) }
    if !resources.isEmpty { object["resource_ids"] = .array(resources.map { .string($0.text) }) }
    if !resourceTypes.isEmpty { object["resource_types"] = .array(resourceTypes.map(JSON.string)) }
    return object
  }

  /// The filter that ``json`` wrote; nil for anything else, a member that this version doesn't know included.
  package init?(_ json: JSON) {
    guard let object = json.objectValue else { return nil }
    for (key, value) in object {
      switch key {
      case "actor":
        guard let text = value.stringValue else { return nil }
        actor = text
      case "events":
        guard let names = ExportFilter.texts(value) else { return nil }
        events = names
      case "organization_id":
        guard let id = value.stringValue.flatMap({ Identifier($0) }) else { return nil }
        organization = id
      case "resource_ids":
        guard let texts = ExportFilter.texts(value) else { return nil }
        resources = texts.compactMap { Identifier($0) }
        guard resources.count == texts.count else { return nil }
      case "resource_types":
        guard let names = ExportFilter.texts(value) else { return nil }
        resourceTypes = names
      default: return nil
      }
    }
  }

  /// The texts of an array that has some.
  private static func texts(_ value: JSON) -> [String]? {
    guard let elements = value.arrayValue, !elements.isEmpty else { return nil }
    let texts = elements.compactMap(\.stringValue)
    return texts.count == elements.count ? texts : nil
  }
}
