import BasicTypes
import CanonicalJSON
import Files

/// `prov.json`: the records in W3C PROV-JSON. Each event is an activity by an agent, and each version of a resource an
/// entity that the activity made of the version before.
enum PROVView {
  /// Writes the document section by section, a pass over the records each, so that no section is held.
  static func write(_ folder: BundleFolder, origin: String) throws {
    var output = try BundleOutput(folder.file(BundleFile.prov))
    let prefix = JSONObject(members: [
      (key: "daybook", value: .string("urn:daybook:\(PROVView.escaped(origin)):")),
      (key: "xsd", value: "http://www.w3.org/2001/XMLSchema#"),
    ])
    try output.write("{\"prefix\":\(JSON.object(prefix).canonicalString)")
    try section("entity", folder, &output) { record in
      let header = record.header
      return [
        (
          entity(header, header.version),
          [
            "daybook:version": .integer(header.version), "prov:type": name("daybook:\(header.type)"),
            "daybook:resource": .string(header.resource.text),
          ]
        )
      ]
    }
    try section("activity", folder, &output) { record in
      let header = record.header
      return [
        (
          activity(header),
          [
            "daybook:position": JSON(position: header.position), "prov:endTime": .string(header.at),
            "prov:startTime": .string(header.at), "prov:type": name("daybook:\(header.event)"),
          ]
        )
      ]
    }
    try agents(folder, &output)
    try section("wasGeneratedBy", folder, &output) { record in
      let header = record.header
      return [
        (
          "_:g\(header.position)",
          [
            "prov:activity": .string(activity(header)), "prov:entity": .string(entity(header, header.version)),
            "prov:time": .string(header.at),
          ]
        )
      ]
    }
    try section("wasAssociatedWith", folder, &output) { record in
      [
        (
          "_:a\(record.header.position)",
          ["prov:activity": .string(activity(record.header)), "prov:agent": .string(agent(record.header.actor))]
        )
      ]
    }
    try section("actedOnBehalfOf", folder, &output) { record in
      guard let person = record.header.onBehalfOf else { return [] }
      return [
        (
          "_:b\(record.header.position)",
          [
            "prov:activity": .string(activity(record.header)), "prov:delegate": .string(agent(record.header.actor)),
            "prov:responsible": .string(agent("user:\(person.text)")),
          ]
        )
      ]
    }
    try section("wasDerivedFrom", folder, &output) { record in
      let header = record.header
      guard header.version > 1 else { return [] }
      return [
        (
          "_:d\(header.position)",
          [
            "prov:activity": .string(activity(header)), "prov:generatedEntity": .string(entity(header, header.version)),
            "prov:usedEntity": .string(entity(header, header.version - 1)),
          ]
        )
      ]
    }
    try output.write("}\n")
    try output.finish()
  }

  /// Writes one section: the members that each record has in it.
  private static func section(
    _ name: String, _ folder: BundleFolder, _ output: inout BundleOutput,
    _ members: (ViewRecord) -> [(key: String, value: JSONObject)]
  ) throws {
    try output.write(",\"\(name)\":{")
    var isFirst = true
    try BundleViews.records(of: folder) { record in
      for (key, value) in members(record) {
        if !isFirst { try output.write(",") }
        isFirst = false
        try output.write("\(JSON.string(key).canonicalString):\(JSON.object(value).canonicalString)")
      }
    }
    try output.write("}")
  }

  /// The agents, each once: they are held, since nobody else tells whether one came before.
  private static func agents(_ folder: BundleFolder, _ output: inout BundleOutput) throws {
    var seen: Set<[UInt8]> = []
    try section("agent", folder, &output) { record in
      let person = record.header.onBehalfOf.map { "user:\($0.text)" }
      return [record.header.actor, person].compactMap { $0 }.filter { seen.insert(Array($0.utf8)).inserted }
        .map { actor in
          let kind = actor.hasPrefix("user:") ? "prov:Person" : "prov:SoftwareAgent"
          return (agent(actor), ["daybook:actor": .string(actor), "prov:type": PROVView.name(kind)])
        }
    }
  }

  private static func entity(_ header: EvidenceHeader, _ version: Int64) -> String {
    "daybook:\(header.type)/\(header.resource.text)/\(version)"
  }

  private static func activity(_ header: EvidenceHeader) -> String { "daybook:event/\(header.position)" }

  private static func agent(_ actor: String) -> String { "daybook:agent/\(escaped(actor))" }

  /// A qualified name as a value.
  private static func name(_ text: String) -> JSON { ["$": .string(text), "type": "prov:QUALIFIED_NAME"] }

  /// A text as it stands in the local part of a name: what isn't a letter, a digit, `-`, `_` or `.` becomes `/`.
  private static func escaped(_ text: String) -> String {
    String(
      text.unicodeScalars.map { scalar -> Character in
        let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar))
        return isPlain || scalar == "-" || scalar == "_" || scalar == "." ? Character(scalar) : "/"
      })
  }
}
