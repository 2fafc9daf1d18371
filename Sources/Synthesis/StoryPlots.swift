// The plots of the stories: shared turns of phrase first, then fourteen courses of events.

/// The rules of the grammar, each after those it names. Blocks parted by blank lines follow each
/// other in the text; the lines of a block are alternatives, `-` is none.
let storyRules: [(name: String, text: String)] =
  turns + [
    ("find-adult", findAdult), ("find-friend", findFriend), ("race-nap", raceNap),
    ("race-fall", raceFall), ("coins-buy", coinsBuy), ("coins-give", coinsGive),
    ("lost", lost), ("share", share), ("hurt", hurt), ("kept", kept), ("forgot", forgot),
    ("promise", promise), ("fear", fear), ("present", present), ("race", race),
    ("garden", garden), ("lie", lie), ("noise", noise), ("fable", fable), ("coins", coins),
    ("astray", astray), ("picnic", picnic),
    (
      "story",
      """
      <lost>
      <share>
      <hurt>
      <promise>
      <fear>
      <present>
      <race>
      <garden>
      <lie>
      <noise>
      <fable>
      <coins>
      <astray>
      <picnic>
      """
    ),
  ]

private let turns = [
  (
    "intro",
    """
    Once upon a time, there was {a} {trait} {child} named {N}.
    Once there was {a} {trait} {child} whose name was {N}.
    {N} was {a} {trait} {child}.
    In a [small|quiet|sunny] [town|village] lived {a} {trait} {child} called {N}.
    There was {a} {trait} {child}. {^his} name was {N}.
    """
  ),
  (
    "day",
    """
    One [sunny|warm|windy|bright|cold|gray] [day|morning|afternoon],
    One day,
    Early one morning,
    On [Monday|Tuesday|Friday|Saturday|Sunday],
    One [spring|summer|autumn] day,
    """
  ),
  (
    "glad",
    """
    {N} was very [happy|glad].
    {N} smiled all the way home.
    {N} felt warm inside.
    That night {N} went to bed with a smile.
    {N} laughed and danced around.
    It was a very good day.
    """
  ),
]

private let findAdult = """
  "What is wrong?" asked {G}. "My {color} {obj} is gone," said {N}. "Think back," said {G}. "Where did you have it last?"
  {G} sat down next to {him}. "Do not cry, {N}. Where were you when you had it last?" {ghe} asked.

  {N} thought hard. "{^at}!" {he} said. "I was {acting}."
  "I was {acting}," said {N}. "Then it must be {at}," said {G}.

  They went back to {place}. They looked [near the path|here and there], but they did not find it. Then {N} looked {spot}.
  So they put on their coats and went to {place}. {N} looked {spot}.
  """

private let findFriend = """
  Then {F} came by. "I will help you look," {fhe} said. "Where did you play with it?"
  {F} heard it and came to help. "Four eyes see more than two," {fhe} said.

  They ran back to {place}. {F} looked everywhere, up and down. {N} looked {spot}.
  "We must go where you {act}," said {F}. So they went to {place} and looked {spot}.
  """

private let lost = """
  <intro> {^he} had {a} {color} {obj} [from {G}|that {G} had given {him}]. It could {can}.
  <intro> Of all {his} things, {he} loved {his} {color} {obj} the most. It could {can}.
  {N} had {a} {color} {obj} that could {can}. {^he} took it everywhere.

  <day> {he} took the {obj} to {place}. Before {acting}, {he} put it {spot}. Then {he} {act} and forgot all about it.
  <day> {he} went to {place} with the {obj}. {^he} left it {spot} and {act}. Soon it began to rain, and {he} ran home.
  <day> {N} was {at}. {^he} laid the {obj} down {spot} and {act} until it was late.

  At home {he} looked for the {obj}, but it was [gone|not there]. "Oh no! Where is my {obj}?" {he} cried.
  At bedtime there was no {obj} on {his} bed. {N} began to cry.
  In the evening {N} wanted to play with the {obj}. It was not in {his} room, and it was not in the kitchen. {N} was sad.

  <find-adult>
  <find-friend>

  "There it is!" {he} said. It was [a bit wet|a little dusty], but it could still {can}.
  {N} held it tight. "I will never leave you again," {he} said.
  {N} jumped for joy and hugged the {color} {obj}.

  From that day on, {N} always [put {his} things away|looked around before {he} went home].
  <glad>
  Now the {obj} has a place next to {his} bed.
  """

private let share = """
  <intro> <day> {G} gave {him} {n} {foods} in a [small box|paper bag|little basket].
  <day> {G} baked and cooked in the kitchen. There were {n} {foods} for {N}.
  {N} loved {foods}. <day> {he} got {n} of them from {G}.

  {N} took them to {place}. {F} was sitting {spot} and looked [sad|hungry].
  {^he} wanted to eat them {at}. But {spot} sat {F}, all alone.

  "What is wrong?" asked {N}. "I [forgot my lunch|lost my lunch|have nothing to eat]," said {F}.
  "I am so hungry," said {F}. "My lunch fell in the mud."

  {N} looked at the {n} {foods}. {^he} wanted to keep them all. But {he} did not want {F} to be hungry.
  {N} thought for a while. Eating alone was not much fun.
  {N} did not have to think for long.

  "{^half} for you and {half} for me," {he} said. {F} smiled, and they ate together.
  "We can share," {he} said. {^he} gave {half} to {F} and kept {half}. Then they {act}.

  The next day it was {N} who had no lunch. {F} came running with {a} {color} box. "Yesterday you gave me {half} of your {foods}," {fhe} said. "Today I have {half} of my {foods2} for you!"
  A week later, {N} dropped {his} lunch in a puddle. {F} saw it. "You shared your {foods} with me," said {fhe}. "Now I will share my {foods2} with you."

  <glad>
  After that, they shared [everything|their lunch every day].
  {N} learned that what you give comes back to you.
  """

private let hurt = """
  <intro> <day> {he} was {at} when {he} heard a small cry.
  <day> {N} was {acting} {at}. Then {he} heard a very small sound.

  There was {a} {animal} {spot}. Its {part} was hurt.
  {^spot} lay {a} little {animal}. It could not move because its {part} was hurt.

  "Do not be afraid," said {N}. {^he} [wrapped|tied] {his} {color} {cloth} around its {part} and carried it home.
  "Poor {animal}," said {N}. {^he} took {his} {color} {cloth} and put it around the {part}. Then {he} took the {animal} to {G}.

  "It needs rest and some {feed}," said {G}.
  {G} made a bed in a box. "Give it {feed} and be very quiet," {ghe} said.

  Every morning {N} brought it {feed}. Day by day it grew stronger.
  {N} sat by the box and sang to it. It ate {feed} from {his} hand.

  After [a week|ten days|two weeks] the {animal} {moved} around the room. {N} knew it was time to say goodbye. {^he} took it back to {place}.
  At last its {part} was well. {N} carried it back to {place}, and away it {moved}.

  [In the winter|In the spring|Many days later], there was a sound at the door. It was {a} {animal} with {a} {color} {cloth}! "You came back to see me!" said {N}.
  [A month|A long time] later, {N} was {at} again. {^a} {animal} came close. It still had the {color} {cloth}, and it was not afraid.

  <glad>
  A friend does not forget.
  {N} gave it some {feed}, and they were friends for ever.
  """

private let kept = """
  {N} wanted to go very much. But {he} remembered {his} promise. "First I must {chore}," {he} said.
  "I would love to," said {N}, "but I promised to {chore}. I have to do that first."

  "Then I will help you," said {F}. Together they {chored}. {relief}
  {F} waited at the gate while {N} {chored}. {relief}

  Then they ran to {place} and {act}.
  After that there was still time to go to {place}.

  In the evening {G} said, "You kept your promise. I am proud of you."
  "I knew that I could trust you," said {G}, and there were {foods} for both of them.
  """

private let forgot = """
  {N} forgot {his} promise and ran off. They {act} all day long.
  "Yes!" said {N}, and off they went. They {act}, and {N} did not think of {his} promise at all.

  When the sun went down, {N} stood still. "Oh no! I promised to {chore}!" {^he} ran home. {neglect}
  It was dark when {he} came home. {neglect} Then {N} remembered.

  {N} went to {G}. "I am sorry. I forgot," {he} said, and {he} {chored} at once.
  With a red face, {he} {chored}. Then {he} told {G} the truth.

  The next day {F} came again. But this time {N} {chored} first. {relief}
  "Thank you for telling me," said {G}. "Tomorrow is a new day." And the next day {N} {chored} before {he} did anything else. {relief}
  """

private let promise = """
  <intro> <day> {G} asked {him} to {chore}. "I will do it before the sun goes down. I promise," said {N}.
  "Can you {chore} today?" {G} asked {N}. "Yes, I promise," said {N}.

  Then {F} came by. "Come with me to {place}!" {fhe} said.
  But then {F} knocked on the window. "Do you want to go to {place}?" {fhe} asked.

  <kept>
  <forgot>

  A promise is a promise.
  <glad>
  From then on, {N} always kept {his} word.
  """

private let fear = """
  <intro> There was only one thing that {he} was afraid of, and that was {fear}.
  {N} was {a} {trait} {child}, but {he} was afraid of {fear}.

  "I am never afraid," {he} told everybody. But {he} was.
  {^he} told nobody but {F}.
  -

  "When I am afraid, I {trick}," said {F}. "Then I feel brave."
  {G} said, "Here is a secret. When I am afraid of something, I {trick}."

  {event} {N} began to shake, and {his} heart went fast.
  {event} {N} wanted to run away.

  Then {he} remembered [the secret|those words]. "I will {trick}," {he} said to {himself}. {^he} {tricked} and opened {his} eyes.
  But {he} stood still and {tricked}. Then {he} {tricked} again.

  {outcome}
  And what do you think? {outcome}

  "I was afraid of {fear}, and I did it anyway," said {N}. That is what it means to be brave.
  Now {N} was not afraid of {fear} any more. <glad>
  Later, {N} met a small {child} who was afraid of {fear} too. "Do you know what I do?" said {N}. "I {trick}."
  """

private let present = """
  <intro> The birthday of {G} was coming. {N} had no money, so {he} wanted to make a present.
  It was almost the birthday of {G}. "I will make something," said {N}.

  {^he} wanted to make {a} {gift} out of {material}. {^he} found the {material} {source}.
  {^source}, {he} looked for {material}. They would make {a} fine {gift}.

  {N} {made}, and soon it was {a} {gift}. But then {mishap}.
  All day {he} sat at the table and {made}. The {gift} was almost done. Then {mishap}!

  "Now it is ugly," cried {N}. But {F} said, "{mend}." And that is what they did.
  {N} wanted to throw it away. "Wait," said {F}. "{mend}." They worked until it was dark.

  On the birthday, {G} opened the box. "{^a} {gift} of {material}!" {ghe} said. "But there is {mark}," said {N}. "I like it all the more," said {G}. "Now I know that you made it."
  {G} was so surprised. "You made {a} {gift} for me?" "It has {mark}," said {N}. "That is the best part," said {G}.

  The {gift} is still [by the window|on the shelf|next to the clock] today.
  <glad>
  {G} kept the {gift} for many years.
  """

private let raceNap = """
  But {F} was so sure to win that {fhe} stopped to {delay}. {N} did not stop.
  Then {F} looked back. "{N} is so slow that I can stop and {delay}," {fhe} said. {N} just ran on and on.

  When {F} began to run again, it was too late. {N} was the first at {goal}!
  Step by step {N} went past {fhim} and came to {goal} first.

  "How did you do that?" asked {F}. "I did not stop," said {N}.
  "You ran every day, and I did not," said {F}. "Next time I will do that too."
  """

private let raceFall = """
  But then {F} fell over a root and hurt {fhis} knee. {N} could win now! {^he} could see {goal}.
  Not far from {goal}, {F} fell down and cried. {N} was ahead now.

  But {N} stopped. {^he} put {his} {color} {cloth} around the knee and said, "Come, lean on me."
  {N} looked at {goal} and looked at {F}. Then {he} went back and helped {fhim} up.

  So they came to {goal} side by side, and both of them won.
  Together they walked to {goal}, and everybody clapped for both. "You are better than fast," said {F}. "You are kind."
  """

private let race = """
  <intro> {F} was the fastest {fchild} in the school, and {fhe} told everybody. "No one can beat me," {fhe} said.
  {N} and {F} wanted to have a race to {goal}. "I will win," said {F}. "I am much faster than you."

  {N} ran a little every day. {F} did not. "I do not need to," {fhe} said.
  Every morning {N} got up early and ran around the house. {F} stayed in bed.

  Then the day of the race came. One, two, three, go! {F} was ahead at once.
  On the day of the race, they ran to {goal}. {F} was so fast that {N} could only see {fhis} back.

  <race-nap>
  <race-fall>

  <glad>
  After that they ran together every day.
  {F} and {N} shook hands and were good friends.
  """

private let garden = """
  <intro> <day> {G} gave {him} a tiny seed. "If you water it every day, it will be {a} {color} {plant}," {ghe} said.
  {N} found a seed in a drawer. "That will be {a} {color} {plant}," said {G}, "if you take good care of it."

  {N} put the seed in the ground [beside the wall|next to the gate|under the window] and gave it water. The next day there was nothing. The day after that there was nothing.
  {N} dug a small hole, put in the seed and gave it water. {^he} waited one day. {^he} waited ten days. Nothing came up.

  "That is only a little stone," said {F} and laughed.
  "It is dead," said {F}. "Come and play."

  {N} wanted to give up. "Seeds are slow," said {G}. "Do not stop now." So {N} gave it water again.
  But {N} did not give up. Every morning {he} gave it water.

  Then {a} {animal} came and began to dig. {N} built a little fence of sticks around the place.
  One night it was very cold. {N} put {his} {cloth} over the place to keep it warm.
  -

  One morning there was a green leaf. It grew and grew, and at last there stood {a} {color} {plant}. "So it was not a stone!" said {F}.
  Then, after the rain, something green came out of the ground. In the summer it was {a} {color} {plant}, just as {G} had said.

  {N} gave {F} a seed of it. "Water it every day," {he} said.
  Good things take time. <glad>
  {G} came to look at it and was very proud of {N}.
  """

private let lie = """
  <intro> {^he} liked to play with {his} {obj} in the house, but {G} had said, "Not near my {color} {dish}!"
  {G} had {a} {color} {dish} and loved it very much. "Please do not play near it," {ghe} told {N}.

  <day> {N} did it anyway. Crash! The {color} {dish} fell down and broke.
  <day> {N} ran around the table. {^he} bumped into the shelf, and the {color} {dish} fell on the floor.

  {N} hid the pieces {hiding}.
  Nobody had seen it. {N} put the pieces {hiding}.

  "Where is my {dish}?" asked {G}. "The {pet} broke it," said {N}.
  Soon {G} came in. "Who broke my {dish}?" "It was the {pet}," said {N} in a small voice.

  The {pet} had to go outside in the rain. It looked at {N} with sad eyes.
  The {pet} got no supper that day. It did not know why.

  {N} could not eat and could not sleep. At last {he} went to {G}. "It was me," {he} said. "The pieces are {hiding}."
  {N} felt bad. {^he} took the pieces from where they lay {hiding} and brought them to {G}. "I broke it, and I told a lie," {he} said.

  "I am sad about the {dish}," said {G}, "but I am glad that you told me the truth." They put the {dish} together with glue.
  {G} was quiet for a while. Then {ghe} got the glue. Together they mended the {color} {dish}.

  And {N} gave the {pet} a [nice|big] {treat} to say sorry.
  Then {N} let the {pet} in and gave it the best {treat} in the house.

  When {he} sees the lines in the {dish}, {N} still remembers to tell the truth.
  <glad>
  """

private let noise = """
  <intro> One night {F} slept at {his} house. They were almost asleep when they heard something.
  It was night, and the house was dark. {N} and {F} lay in bed and told each other stories.

  "{noise}!" It came from the {noiseplace}.
  Then it came. "{noise}." Something was in the {noiseplace}!

  "It is a monster," said {F} and hid under the blanket.
  "What is that?" asked {F}. "A witch? A monster?"

  "Monsters are not real," said {N}, but {his} voice was very small. {^he} took {his} {color} lamp, and they went to look.
  {N} was afraid too, but {he} wanted to know. {^he} took {a} {color} lamp in one hand and the hand of {F} in the other.

  "{noise}!" it went again. {N} opened the {noiseplace}. There sat {a} {animal}! It was as afraid as they were.
  Step by step they came to the {noiseplace}. {N} held up the lamp and looked in. Two eyes looked back. It was only {a} {animal}, and it was hungry.

  They gave it some {feed} and called it {noisename}.
  "You are no monster," said {F}. They named the {animal} {noisename} and brought it some {feed}.

  Now {noisename} comes back [every night|every winter], and nobody is afraid of the {noiseplace}.
  When they hear "{noise}" now, they just laugh and get the {feed}.
  In the morning they told {G} about {noisename}, the monster from the {noiseplace}.
  """

private let fable = """
  Once upon a time, {a} {trait} {small} lived near a great {big}.
  Long ago, {a} {big} caught a tiny {small} {at}.
  {^a} {small} was {acting} one day when it met {a} {big}.

  "I will eat you up," said the {big}. "Please let me go," said the {small}. "One day I will help you."
  "Get out of my way, or I will step on you!" said the {big}. "Please do not," said the {small}. "I could be your friend."

  The {big} laughed. "You? You are much too small to help me." But it let the {small} go.
  That made the {big} laugh so much that it forgot to be angry. "Run along, little {small}," it said.

  [Many days|Three days|A week] later, the {big} {trap}. It called and called, but nobody dared to come near.
  Then came a bad day. The {big} {trap}. "Help!" it cried. All the other animals ran away.

  Only the {small} came. "I said that I would help you," it said, and it {rescue}.
  The {small} heard it from far away. It came at once and {rescue}.

  "You are small, but you have a big heart," said the {big}. "Thank you."
  "I laughed at you, and I was wrong," said the {big}.

  From then on, the {big} and the {small} were friends.
  Even a small friend can be a great help.
  And when it rained, the {small} sat dry and warm under the chin of the {big}.
  """

private let coinsBuy = """
  {^he} put the coins on the table, and the {color} {obj} was {his} own.
  "Here are {total} coins," {he} said. "You worked hard for it," said the man and gave {him} the {color} {obj}.

  It could really {can}! {^he} played with it until it was dark.
  {N} took it to {place} and showed {F} how it could {can}.

  {N} took good care of it, for {he} knew what it had cost.
  <glad>
  """

private let coinsGive = """
  On the way {he} met {F}, who was crying. "I lost the money for the bread," {fhe} said. "It was {total} coins."
  In front of the shop sat {F}. "I lost {total} coins," {fhe} cried. "They were for my sick [mother|father|brother]."

  {N} looked at the {obj}. {^he} looked at {F}. Then {he} gave {fhim} all {total} coins.
  "Take mine," said {N}, and {he} gave away all {total}.

  The next day there was a box at the door. In it was the {color} {obj}! "I saw what you did," said the man from the shop.
  But the man in the shop had seen it all. He came out with the {color} {obj}. "This is for a good heart," he said.

  <glad>
  Now {F} and {N} play with it together.
  """

private let coins = """
  <intro> In the window of the shop stood {a} {color} {obj}. It could {can}. It cost {total} coins.
  {N} wanted to have the {color} {obj} from the shop. "That is {total} coins," said the man in the shop.

  {N} had no coins at all. So {he} went to work.
  But {N} did not have a single coin. "Then I will earn them," {he} said.

  First {he} {chored}, and {G} gave {him} {first}. Then {he} carried bags for {F} and got {second} more.
  For {G}, {he} {chored}. That made {first} coins. For an old man {he} swept the steps. That made {second} more.

  {^first} and {second} make {total}! {N} ran to the shop.
  {N} counted them. {^first} and {second} are {total}. It was just enough.

  <coins-buy>
  <coins-give>
  """

private let astray = """
  <intro> <day> {he} saw {a} {color} {wanderer} and ran after it. It {wandered} into the forest, and {N} went after it.
  <day> {a} {color} {wanderer} {wandered} past the window of {N}. It was so pretty that {he} followed it into the forest.

  But {he} had {trail} in {his} bag, and {he} dropped one at every turn, as {G} had told {him}.
  "When you go far, leave a trail," {G} always said. So {N} dropped {trail} behind {him}.

  Then the {wanderer} was gone. The trees were tall, and {N} did not know the way. "I want to go home," {he} said, and {he} cried a little.
  The {wanderer} {wandered} away over a stream, and {N} was alone. It got dark. Every tree looked the same.

  Then {he} remembered the {trail}. There was the first one, and there was the next! {N} followed them, one by one.
  But what was that on the ground? The {trail}! {^he} went from one to the next and did not look left or right.
  {^a} {animal} {moved} along and looked at {him}. It seemed to say, "Look down." There were the {trail}!

  At the end of the trail was the house, and {G} stood at the door. "You remembered what I told you," said {ghe} and hugged {him}.
  Soon {he} saw the light of the house. {G} ran out and held {him} tight. "I left a trail," said {N}.

  The next morning, the {color} {wanderer} was back at the window. But this time {N} only waved.
  <glad>
  {N} put new {trail} in {his} bag, for the next time.
  """

private let picnic = """
  <intro> <day> {N} and {F} wanted to have a picnic {at}. They had {n} {foods} and {a} {color} blanket.
  {N} could not wait. Today {he} was going to {place} with {F}. In the basket were {n} {foods} and {a} {color} blanket.

  But when they opened the door, it began to [rain|snow|storm].
  Then the sky turned dark, and the [rain came down|wind began to blow].

  "Now our day is spoiled," said {F}. {N} was sad too.
  {F} kicked the basket. "I hate this weather," {fhe} said.

  "Who says that a picnic has to be outside?" said {G}.
  Then {N} had an idea. "We can have it inside," {he} said.

  They put the {color} blanket over two chairs, and it was a tent. A [lamp was the sun|pillow was a hill|green rug was the grass].
  They put the {color} blanket on the floor of the [kitchen|attic|hall] and sat down. {N} made the sounds of the birds.

  They ate the {n} {foods}, {half} for each of them.
  There were {n} {foods}. {N} ate {half} of them, and {F} ate {half}.

  Then {he} told a story about {a} {animal} that {moved} to the moon. They laughed so much that they did not hear the [clock|door].
  When they looked out, the sun was back. "Shall we go to {place} now?" asked {F}. "No," said {N}. "It is nicer here."

  <glad>
  It was the best picnic of all.
  "I hope it rains tomorrow," said {F}.
  """
