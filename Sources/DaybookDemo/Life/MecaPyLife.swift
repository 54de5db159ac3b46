import BasicTypes
import CanonicalJSON
import Refusals

/// A month on MecaPy: engineers calculate, with tools in containers and with code
/// of their own, from files they have uploaded.
final class MecaPyLife: Life {
  private struct Tool {
    let id: Identifier
    let name: String
    var release = 0
  }

  private var tools: [Tool] = []
  private var files: [Identifier] = []
  private var calculations: [Identifier] = []

  override var somethingOfOurs: (get: String, id: Identifier)? { tools.first.map { ("tool.get", $0.id) } }

  // MARK: - The first day

  override func settleIn() async throws {
    let kinds = [
      ("beam_deflection", "Beam deflection", "Bends a beam under point and line loads."),
      ("fatigue_life", "Fatigue life", "Counts cycles by the rainflow method and adds up the damage."),
      ("modal_analysis", "Modal analysis", "First natural frequencies of an assembly."),
      ("bolt_check", "Bolt check", "Preload and slip of bolted joints."),
    ]
    for (name, title, text) in kinds {
      let tool = Tool(id: setting.identifier("\(tenant.slug) tool \(name)"), name: name)
      tools.append(tool)
      asEngineer.send(
        "tool.create",
        [
          "id": .id(tool.id), "organization_id": .id(organization), "name": .string(name),
          "display_name": .string(title),
          "description": .string(text), "version_label": "1.0.0", "code_template": .string(code(name, release: 0)),
          "docker_image": .string("registry.example.com/mecapy/\(name):1.0.0"), "memory_limit": 512, "cpu_limit": 1.0,
          "timeout": 60, "author_id": .id(engineer.id),
        ])
    }
    for number in 0..<4 { upload(day: 0, number: number) }
  }

  private func code(_ name: String, release: Int) -> String {
    """
    import numpy as np

    # release \(release)
    def \(name)(parameters):
        load = np.asarray(parameters["load"])
        return {"maximum": float(load.max()), "mean": float(load.mean())}
    """
  }

  /// A file that lies in the object store by the time it is told of.
  private func upload(day: Int, number: Int) {
    let at = setting.time(day: day, hour: 7 + chance.amount(0...11))
    let file = newIdentifier(at: at)
    let person = somebody()
    let name = "\(chance.one(of: tenant.tables))-\(day + 1)-\(number).csv"
    asEngineer.send(
      "file.create",
      [
        "id": .id(file), "organization_id": .id(organization), "filename": .string(name),
        "original_filename": .string(name),
        "file_size": .count(chance.number(2_000...40_000_000)), "mime_type": "text/csv", "status": "uploaded",
        "file_hash": .string(chance.hexadecimal(64)), "s3_key": .string("\(tenant.slug)/\(file.text)/\(name)"),
        "s3_bucket": "mecapy-user-files", "s3_url": .string("https://s3.example.com/mecapy-user-files/\(file.text)"),
        "owner_id": .id(person.id), "description": .string("measured on day \(day + 1)"), "is_temporary": .bool(false),
        "is_public": .bool(chance.happens(0.1)),
      ])
    files.append(file)
  }

  // MARK: - A day

  override func work(day: Int) async throws {
    for number in 0..<setting.scaled(3) { upload(day: day, number: number) }
    for hour in hours(setting.scaled(20)) { calculate(day: day, hour: hour) }
    if day % 6 == 2 { release(chance.number(0...tools.count - 1), day: day) }
    if chance.happens(0.2), let file = files.last {
      asEngineer.send(
        "file.edit", ["id": .id(file), "description": "checked by a second pair of eyes", "is_public": true])
    }
  }

  private func calculate(day: Int, hour: Double) {
    let begin = setting.time(day: day, hour: hour)
    let id = newIdentifier(at: begin)
    calculations.append(id)
    let tool = chance.one(of: tools)
    let person = somebody()
    let usesTool = chance.happens(0.7)
    var fields: JSONObject = [
      "id": .id(id), "organization_id": .id(organization), "user_id": .id(person.id),
      "name": .string("\(tool.name.split(separator: "_").joined(separator: " ")), case \(chance.number(1...400))"),
      "code": .string(code(tool.name, release: tool.release)),
      "parameters": ["load": .array((0..<4).map { _ in .number(chance.amount(0.5...90)) }), "steel": "S355"],
    ]
    if usesTool { fields["tool_id"] = .id(tool.id) }
    if chance.happens(0.3) { fields["description"] = "for the review on Thursday" }
    asEngineer.send("calculation.create", fields)
    for (index, file) in chance.some(chance.number(0...2), of: Array(files.suffix(12))).enumerated() {
      asEngineer.send(
        "calculation.attach_file", ["id": .id(id), "file_id": .id(file), "role": index == 0 ? "input" : "config"])
    }
    if chance.happens(0.03) {
      asEngineer.send("calculation.cancel", ["id": .id(id), "at": .time(begin), "reason": "wrong load case"])
      return
    }
    asEngineer.send("calculation.begin", ["id": .id(id), "at": .time(begin)])
    let seconds = chance.amount(0.4...58)
    var ending: JSONObject = [
      "id": .id(id), "at": .time(begin.adding(seconds: Int64(seconds) + 1)), "execution_time": .number(seconds),
      "memory_used": .count(chance.number(40...500)), "cpu_time": .number((seconds * 90).rounded() / 100),
    ]
    if chance.happens(0.07) {
      ending["status"] = "failed"
      ending["error_message"] = .string(
        chance.one(of: ["LinAlgError: Singular matrix", "KeyError: 'load'", "MemoryError"]))
    } else {
      ending["status"] = "success"
      ending["result_data"] = ["maximum": .number(chance.amount(1...300)), "mean": .number(chance.amount(1...150))]
    }
    asEngineer.send("calculation.finish", ending)
  }

  /// A new version of a tool.
  private func release(_ index: Int, day: Int) {
    tools[index].release += 1
    let tool = tools[index]
    asEngineer.send(
      "tool.edit",
      [
        "id": .id(tool.id), "version_label": .string("1.\(tool.release).0"),
        "code_template": .string(code(tool.name, release: tool.release)),
        "docker_image": .string("registry.example.com/mecapy/\(tool.name):1.\(tool.release).0"),
        "reason": "faster, with the same results",
      ])
  }

  // MARK: - The last evening

  override func closeTheMonth() async throws {
    guard let calculation = calculations.last, let file = files.first, let tool = tools.last else { return }
    let now = setting.time(day: setting.days - 1, hour: 23.5)
    let running = newIdentifier(at: now)
    asEngineer.send(
      "calculation.start",
      [
        "id": .id(running), "organization_id": .id(organization), "user_id": .id(engineer.id), "name": "over night",
        "tool_id": .id(tool.id), "code": .string(code(tool.name, release: tool.release)),
      ])
    asEngineer.send("calculation.cancel", ["id": .id(calculation)], refusedAs: .conflict)
    let reader = newIdentifier(at: now)
    asEngineer.send(
      "calculation.create",
      [
        "id": .id(reader), "organization_id": .id(organization), "user_id": .id(engineer.id),
        "name": "reads the first file",
        "code": "print(open('input').read())",
      ])
    asEngineer.send("calculation.attach_file", ["id": .id(reader), "file_id": .id(file)])
    asEngineer.send("file.delete", ["id": .id(file)], refusedAs: .conflict)
    // Everybody on this platform comes from Keycloak.
    administrator.send(
      "user.create",
      ["organization_id": .id(organization), "email": "nobody@example.com", "username": "nobody"],
      refusedAs: .invalidParams, naming: "/keycloak_id")
    asEngineer.send(
      "tool.create",
      [
        "organization_id": .id(organization), "name": .string(tool.name), "display_name": "again",
        "description": "again", "version_label": "1.0.0",
        "code_template": "pass", "docker_image": "again", "author_id": .id(engineer.id),
      ], refusedAs: .conflict)
    if tool.release > 0 {
      asEngineer.send(
        "tool.rollback", ["id": .id(tool.id), "to_version": 1, "reason": "the results differed after all"])
    }
  }
}
