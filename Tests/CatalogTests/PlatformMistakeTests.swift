import Catalog
import TestBasics
import Testing

/// A platform's file that is written wrong is refused with the line.
@Suite struct PlatformMistakeTests {
  private static let sound = """
    platform: etlab
    title: ETLab
    tables:
      users:
        summary: A user.
        resource: user
        columns:
          id: {type: uuid, not_null: true, from: id}
          name: {type: text, max: 100, from: display_name}
    """

  private func problems(_ text: String) throws -> [String] {
    let catalog = try Catalog.load(folder: Repository.schema)
    do {
      _ = try catalog.readPlatform(text, named: "etlab.yaml", label: "schema")
      return []
    } catch {
      return error.problems.map(\.description)
    }
  }

  @Test func `a sound file has no mistake`() throws {
    #expect(try problems(Self.sound) == [])
  }

  @Test(arguments: ["1e300", "-1", "0.5", "0", "10485761"])
  func `a length that no column has is a mistake`(_ length: String) throws {
    let found = try problems(Self.sound.replacing("max: 100", with: "max: \(length)"))
    #expect(
      found == [
        "schema/platforms/etlab.yaml:9: 'max' of column 'name' of table 'users' must be a whole number from 1 to 10485760"
      ])
  }
}
