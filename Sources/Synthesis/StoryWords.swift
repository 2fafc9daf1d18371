// The words of the stories: who, where, with what. One row of each table is drawn per story.

/// The grammar of `Stories`.
func storyGrammar() -> StoryGrammar {
  var grammar = StoryGrammar()
  let children =
    girls.map { "\($0)|she|her|her|herself|girl" } + boys.map { "\($0)|he|him|his|himself|boy" }
  let child = children.joined(separator: "\n")
  grammar.addTable("hero", "N he him his himself child", child)
  grammar.addTable("friend", "F fhe fhim fhis fhimself fchild", child, otherThan: "hero")
  grammar.addTable("adult", "G ghe ghim ghis", adults)
  grammar.addTable("trait", "trait", traits)
  grammar.addTable("color", "color", colors)
  grammar.addTable("color2", "color2", colors, otherThan: "color")
  grammar.addTable("object", "obj can", objects)
  grammar.addTable("place", "place at act acting", places)
  grammar.addTable("spot", "spot", spots, under: "place")
  grammar.addTable("animal", "animal part feed moved", animals)
  grammar.addTable("food", "foods", foods)
  grammar.addTable("food2", "foods2", foods, otherThan: "food")
  grammar.addTable("share", "n half", shares)
  grammar.addTable("sum", "total first second", sums)
  grammar.addTable("cloth", "cloth", cloths)
  grammar.addTable("chore", "chore chored neglect relief", chores)
  grammar.addTable("fear", "fear event outcome", fears)
  grammar.addTable("trick", "trick tricked", tricks)
  addOccasions(to: &grammar)
  for (name, text) in storyRules { grammar.addRule(name, text) }
  return grammar
}

private let girls = [
  "Lily", "Mia", "Anna", "Ella", "Rosie", "Nora", "Ivy", "Emma", "Zoe", "Ruby", "Clara", "Molly",
  "Daisy", "Sara", "Tess", "June",
]

private let boys = [
  "Tom", "Ben", "Max", "Sam", "Leo", "Jack", "Finn", "Oscar", "Noah", "Tim", "Eli", "Hugo", "Adam",
  "Luke", "Peter", "Theo",
]

private let adults = """
  Mom|she|her|her
  Dad|he|him|his
  Grandma|she|her|her
  Grandpa|he|him|his
  Aunt May|she|her|her
  Aunt Ruth|she|her|her
  Uncle Joe|he|him|his
  Uncle Bill|he|him|his
  """

private let traits = """
  little
  kind
  brave
  curious
  shy
  clever
  funny
  quiet
  cheerful
  gentle
  eager
  friendly
  """

private let colors = """
  red
  blue
  green
  yellow
  orange
  purple
  white
  pink
  brown
  golden
  """

/// A thing, and what it could do.
private let objects = """
  kite|fly up to the clouds
  ball|bounce very high
  drum|make a big boom
  doll|close its eyes
  boat|float on the water
  train|go around and around
  truck|carry a lot of sand
  whistle|make a sharp sound
  bell|ring all day long
  robot|walk and blink
  teddy bear|fit under one arm
  puppet|nod its head
  lamp|shine in the dark
  cup|keep milk warm
  scarf|keep a neck warm
  hat|keep the sun away
  umbrella|keep off the rain
  basket|hold ten apples
  bucket|hold a lot of water
  book|tell a good story
  ring|shine like a star
  blanket|keep two people warm
  top|spin for a long time
  flute|play a sweet tune
  horn|wake the whole street
  marble|roll very far
  pencil|draw a straight line
  paintbrush|make a thin line
  wagon|carry two friends
  scooter|go very fast
  sled|slide down any hill
  net|catch a leaf in the air
  jump rope|turn very fast
  shell|sound like the sea
  feather|float in the air
  mitten|keep a hand warm
  toy owl|turn its head
  toy plane|turn in the air
  toy horse|rock to and fro
  music box|play an old song
  puzzle|show a picture of the sea
  backpack|hold many things
  """

/// A place, being there, what one did there, doing it.
private let places = """
  the park|at the park|went down the slide|going down the slide
  the beach|at the beach|made a castle of sand|making a castle of sand
  the farm|at the farm|fed the hens|feeding the hens
  the forest|in the forest|climbed a tree|climbing a tree
  the pond|at the pond|looked for frogs|looking for frogs
  the garden|in the garden|picked some flowers|picking flowers
  the market|at the market|looked at all the fruit|looking at the fruit
  the library|in the library|read about the moon|reading about the moon
  the school|at the school|drew on the wall with chalk|drawing with chalk
  the zoo|at the zoo|watched the monkeys|watching the monkeys
  the hill|on the hill|rolled in the grass|rolling in the grass
  the river|by the river|threw stones in the water|throwing stones in the water
  the playground|on the playground|sat on the swing|playing on the swing
  the meadow|in the meadow|ran after the butterflies|running after the butterflies
  the barn|in the barn|jumped in the hay|jumping in the hay
  the lake|at the lake|paddled in the water|paddling in the water
  the orchard|in the orchard|shook the apple trees|shaking the apple trees
  the station|at the station|counted the trains|counting the trains
  the harbor|at the harbor|waved to the ships|waving to the ships
  the mill|at the mill|watched the big wheel|watching the big wheel
  the bridge|at the bridge|dropped sticks in the stream|dropping sticks in the stream
  """

/// Where a thing may lie in each of the places, in their order.
private let spots = """
  under a bench
  behind the slide
  next to the fountain

  under a towel
  behind a big rock
  beside an old boat

  on top of the hay
  beside the gate
  behind the hen house

  under a fern
  inside a hollow log
  beside the stream

  on a flat stone
  in the tall reeds
  under the willow tree

  behind the roses
  under the pear tree
  next to the well

  under the fruit stand
  behind a big basket
  next to the bread stall

  on the lowest shelf
  under a round table
  behind the blue chair

  under the stairs
  on the window sill
  behind the door

  beside the monkey house
  under the map of the zoo
  on the wall by the seals

  under the oak tree
  behind a bush
  on top of a tree stump

  under the bridge
  beside a mossy rock
  in the long grass

  under the swing
  inside the little house
  in the sand box

  between the daisies
  beside the fence
  behind a tall thistle

  on the ladder
  behind the old tractor
  under a pile of straw

  at the end of the dock
  under a row boat
  beside the bath house

  inside an apple crate
  under the oldest tree
  against the stone wall

  under the big clock
  on a long bench
  next to the ticket window

  behind a barrel
  on a pile of nets
  next to the lighthouse

  behind a sack of flour
  on the stone steps
  under the wooden cart

  at the foot of the bridge
  on the railing
  under a lantern
  """

/// An animal, what of it was hurt, what it ate, how it moved.
private let animals = """
  bird|wing|seeds|flew
  rabbit|paw|carrots|hopped
  kitten|paw|fish|ran
  puppy|leg|meat|ran
  duck|wing|bread|walked
  squirrel|tail|nuts|jumped
  frog|leg|flies|hopped
  hedgehog|nose|apples|walked
  fox|leg|eggs|ran
  owl|wing|meat|flew
  mouse|tail|cheese|ran
  turtle|foot|leaves|walked
  lamb|leg|grass|jumped
  goat|leg|hay|jumped
  fawn|knee|grass|walked
  otter|paw|fish|rolled
  """

private let foods = """
  cookies
  apples
  buns
  pears
  plums
  muffins
  pancakes
  cherries
  peaches
  tarts
  carrots
  sandwiches
  """

private let shares = """
  two|one
  four|two
  six|three
  eight|four
  ten|five
  twelve|six
  """

/// A price and two wages that make it.
private let sums = """
  five|two|three
  five|four|one
  six|two|four
  six|five|one
  seven|three|four
  seven|two|five
  eight|three|five
  eight|two|six
  nine|four|five
  nine|three|six
  ten|four|six
  ten|three|seven
  """

private let cloths = """
  scarf
  ribbon
  sock
  napkin
  belt
  mitten
  """

/// A chore, the chore done, what came of forgetting it, what came of doing it.
private let chores = """
  feed the hens|fed the hens|The hens were hungry and made a sad noise.|The hens clucked and ate.
  water the flowers|watered the flowers|The flowers hung their heads.|The flowers lifted their heads.
  close the gate|closed the gate|The sheep had run out on the road.|The sheep were safe inside.
  bring in the wash|brought in the wash|The rain had made every shirt wet.|Every shirt was dry and warm.
  walk the dog|walked the dog|The dog sat sadly at the door.|The dog wagged its tail.
  pick up the eggs|picked up the eggs|Two eggs were broken on the ground.|Not one egg was broken.
  fill the bird bath|filled the bird bath|The birds sat around a dry bowl.|The birds splashed and sang.
  carry in the wood|carried in the wood|The stove was cold and so was the house.|The stove was warm all night.
  brush the pony|brushed the pony|The pony had mud in its tail.|The pony shone like silk.
  pick the ripe beans|picked the ripe beans|The pot for supper was empty.|The pot for supper was full.
  """

/// What a child may fear, how it came about, what it turned out to be.
private let fears = """
  the dark|One night the lamp went out.|It was the same room as before, only with the light asleep.
  thunder|One night a storm came and the sky went boom.|The booms grew smaller and smaller, until only the rain was left.
  deep water|One day the whole class went swimming.|The water was like a big soft bed.
  big dogs|One day a big dog stood at the gate.|The dog only wanted to lick a hand.
  high places|One day the cat was stuck in a tall tree.|From the top one could see all the roofs, and the cat purred.
  the cellar|One day there were no more jars in the kitchen, and they were kept in the cellar.|There was nothing there but jars and one small spider.
  singing alone|One day the teacher asked for a song.|Everybody clapped and wanted one more song.
  the old bridge|One day the only way home was over the old bridge.|The bridge creaked, but it was strong.
  bees|One day a bee sat down on the table.|The bee only wanted a drop of jam, and flew away.
  """

private let tricks = """
  count to five|counted to five
  hum a little song|hummed a little song
  hold a smooth stone|held a smooth stone
  take three slow breaths|took three slow breaths
  think of a funny face|thought of a funny face
  say my own name out loud|said a name out loud
  """

/// A gift, what it was made of, where that was, how it was made.
