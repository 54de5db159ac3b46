import CanonicalJSON
import Foundation
import TestBasics
import Testing

/// The OCSF events of a real server's bundle, against the schema as ocsf-lib loads it and as JSON Schema.
@Suite(.serialized) struct OCSFTests {
  private static let installed = Validators.have("ocsf.util", "ocsf_json_schema", "jsonschema")

  @Test(.enabled(if: installed, "PyPI's ocsf-lib and ocsf-json-schema are not installed for DAYBOOK_VALIDATORS"))
  func `the events of accounts and of everything else keep to the schema that ocsf-lib loads`() async throws {
    try await withDesk { desk in
      try await desk.withServer {
        _ = try await desk.makePipeline()
        let organization = try #require(
          try await desk.call("organization.create", ["name": "People", "slug": "people"])["id"])
        let person = try #require(
          try await desk.call(
            "user.create",
            [
              "email": "ann@example.com", "full_name": "Ann", "password": "correct horse 9", "role": "developer",
              "organization_id": organization,
            ])["id"])
        try await desk.call("user.edit", ["id": person, "full_name": "Ann B."])
        try await desk.call("user.deactivate", ["id": person])
        try await desk.call("user.reactivate", ["id": person])
        try await desk.call("user.delete", ["id": person])
        let made = try await desk.run(
          ["export", "bundle", "--whole-service", "--with", "ocsf", "--reason", "the schema"])
        #expect(made.status == .code(0), "\(made.errors)")
        let counts = try await Validators.run(Self.check, desk.folder + "/bundle/ocsf.jsonl", in: desk.directory)
        #expect(counts.contains("3001: 5 events\n") && counts.contains("6003: "), "\(counts)")
        // The check finds what is wrong.
        let events = try String(contentsOfFile: desk.folder + "/bundle/ocsf.jsonl", encoding: .utf8)
        for (right, wrong) in [
          (#""severity_id":1"#, #""severity_id":"low""#), (#""time":"#, #""when":"#),
          (#""class_uid":3001"#, #""class_uid":9"#),
        ] {
          let edited = events.replacingOccurrences(of: right, with: wrong)
          #expect(edited != events)
          let path = desk.folder + "/wrong.jsonl"
          try Data(edited.utf8).write(to: URL(fileURLWithPath: path))
          await #expect(throws: HarnessError.self, "\(wrong)") {
            try await Validators.run(Self.check, path, in: desk.directory)
          }
        }
      }
    }
  }

  /// Each event against the JSON Schema of its class, and its members, objects and codes against ocsf-lib's model.
  private static let check = """
    import collections, json, os, sys
    import ocsf_json_schema
    from jsonschema import Draft202012Validator
    from ocsf.util import get_schema
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    def compare(value, attributes, path):
        for name, attribute in attributes.items():
            # What a profile asks for is asked of those that name the profile.
            if attribute.requirement == "required" and attribute.profile is None:
                assert name in value, f"{path}/{name} is missing"
        for name, member in value.items():
            assert name in attributes, f"{path}/{name} is not in the schema"
            attribute = attributes[name]
            if attribute.enum is not None and isinstance(member, int):
                assert str(member) in attribute.enum, f"{path}/{name} is {member}"
            kind = model.objects.get(attribute.object_type)
            if kind is not None and attribute.object_type != "object":
                for one in member if isinstance(member, list) else [member]:
                    compare(one, kind.attributes, f"{path}/{name}")

    events = [json.loads(line) for line in open(sys.argv[1])]
    version = events[0]["metadata"]["version"]
    model = get_schema(os.path.join(os.path.dirname(ocsf_json_schema.__file__), "ocsf", version + ".json"))
    assert model.version == version
    schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version))
    counts = collections.Counter()
    validators = {}
    for event in events:
        uid = event["class_uid"]
        if uid not in validators:
            name = schema.lookup_class_name_from_uid(uid)
            assert model.classes[name].uid == uid
            validators[uid] = model.classes[name], Draft202012Validator(schema.get_class_schema(name))
        kind, validator = validators[uid]
        validator.validate(event)
        compare(event, kind.attributes, "")
        counts[uid] += 1
    for uid, count in sorted(counts.items()):
        print(f"{uid}: {count} events")
    """
}
