"""What the demo brain can tell about a topic. Our own wording; plain data."""

from __future__ import annotations

from typing import Final

TOPICS: Final[dict[str, str]] = {
    "sea": (
        "The sea covers about seventy percent of the Earth. It is salty, because rivers have carried "
        "minerals into it for a very long time. The moon pulls on the water, and so the tides rise and "
        "fall twice a day. Most of the deep sea has never been seen by anyone. It is cold and dark down "
        "there, yet full of life. Some fish even make their own light. And the sea gives us much of the "
        "oxygen that we breathe."
    ),
    "moon": (
        "The moon is a ball of rock that travels around the Earth once in about twenty seven days. It "
        "always shows us the same side. It has no air, so its sky is black even by day. The first people "
        "walked on it in 1969. Its gravity is one sixth of ours, so you could jump very high there."
    ),
    "sun": (
        "The sun is a star, a huge ball of hot gas. More than a million Earths would fit inside it. Its "
        "light needs about eight minutes to reach us. It is about four and a half billion years old, and "
        "it will shine for about as long again."
    ),
    "earth": (
        "The Earth is the third planet from the sun, and the only one that we know to have life. It "
        "turns once a day and goes around the sun once a year. Most of its surface is water. Its air is "
        "mainly nitrogen and oxygen."
    ),
    "mars": (
        "Mars is the fourth planet from the sun. It looks red because of rust in its soil. It is cold "
        "and dry, and it has the highest volcano that we know. A day there is a little longer than ours. "
        "Several robots have driven around on it."
    ),
    "jupiter": (
        "Jupiter is the largest planet in the solar system. It is made mainly of hydrogen and helium. "
        "Its great red spot is a storm that is wider than the Earth."
    ),
    "rain": (
        "Rain begins when water rises into the air as vapor. High up it cools and turns into tiny drops, "
        "which make the clouds. When the drops grow heavy enough, they fall."
    ),
    "rainbow": (
        "A rainbow appears when the sun shines on drops of rain. Each drop bends the light and splits it "
        "into colors. You see it with the sun behind you."
    ),
    "snow": (
        "Snow is made of ice crystals that grow inside clouds. Most of them have six arms, because of "
        "the way water molecules join."
    ),
    "cat": (
        "Cats are small hunters that have lived with people for about ten thousand years. They sleep "
        "most of the day, and they see well in the dark. They purr when they are content, and sometimes "
        "when they are hurt."
    ),
    "dog": (
        "Dogs come from wolves and have lived with people for longer than any other animal. Their sense "
        "of smell is many thousand times better than ours. They understand our gestures better than apes "
        "do."
    ),
    "horse": (
        "Horses have carried people for about five thousand years. They can sleep standing up, and they "
        "have a very good memory."
    ),
    "elephant": (
        "Elephants are the largest animals on land. They live in families that are led by an old mother. "
        "They can hear very low sounds through the ground with their feet."
    ),
    "whale": (
        "Whales are mammals that live in the sea. They breathe air, and they feed their young with milk. "
        "The song of some whales can be heard over hundreds of kilometers."
    ),
    "bee": (
        "Bees collect nectar and make honey from it. While they do it, they carry pollen from flower to "
        "flower. They tell each other where the flowers are by dancing."
    ),
    "tree": (
        "Trees make sugar from light, water and air, and they give off oxygen while they do it. Each "
        "year many of them add one ring of wood. So you can count the age of a tree in its trunk."
    ),
    "coffee": (
        "Coffee is made from the roasted seeds of a plant that first grew in Ethiopia. The caffeine in "
        "it keeps you awake."
    ),
    "tea": (
        "Black, green and white tea all come from the same plant. The difference is in how the leaves "
        "are treated after the harvest."
    ),
    "bread": (
        "Bread is made of flour, water, salt, and usually yeast. The yeast makes bubbles of gas, and "
        "they make the bread light."
    ),
    "chocolate": (
        "Chocolate is made from the beans of the cocoa tree. The Maya drank it long before anyone made "
        "bars of it."
    ),
    "pizza": (
        "Pizza is flat bread, baked hot, usually with tomato and cheese. The famous kind comes from "
        "Naples, in Italy."
    ),
    "music": (
        "Music is sound put in order by rhythm and pitch. Every people that we know of makes music. The "
        "oldest flutes that were found are about forty thousand years old."
    ),
    "guitar": (
        "A guitar is an instrument with six strings, as a rule. You pluck or strum them, and the hollow "
        "body makes them louder."
    ),
    "piano": (
        "A piano has 88 keys. Each key throws a small hammer against strings. It was invented in Italy "
        "around the year 1700."
    ),
    "football": (
        "Football is played by two teams of eleven. Nobody but the goalkeeper may use the hands. A match "
        "lasts ninety minutes."
    ),
    "chess": (
        "Chess is a game for two on a board of 64 squares. It comes from India and is about fifteen "
        "hundred years old. The game is won when the other king cannot escape."
    ),
    "computer": (
        "A computer is a machine that follows instructions very fast. Everything in it is written with "
        "only two signs, zero and one."
    ),
    "internet": (
        "The internet is a network of networks. It lets computers all over the world send each other "
        "small packets of data."
    ),
    "microphone": "A microphone turns the pressure of sound into a signal. That is how I can hear you.",
    "robot": (
        "A robot is a machine that senses, decides and acts. The word comes from a Czech play and means "
        "hard work."
    ),
    "artificial intelligence": (
        "Artificial intelligence is the art of making computers do things that seem to need thinking, "
        "such as understanding speech."
    ),
    "speech recognition": (
        "Speech recognition turns the sound of a voice into text. A model learns from many hours of "
        "recordings which sounds belong to which words."
    ),
    "voice assistant": "A voice assistant listens, works out what you want, and answers aloud. I am one.",
    "bicycle": (
        "A bicycle is the most efficient way to travel that people have built. It stays up because you "
        "steer it, a little, all the time."
    ),
    "time": (
        "Time is what clocks measure. We count it by regular things, such as the turning of the Earth or "
        "the ticking of an atom."
    ),
    "gravity": (
        "Gravity is the pull between things that have mass. It keeps us on the ground and the planets in "
        "their paths."
    ),
    "light": "Light is a wave and a stream of particles at once. Nothing travels faster.",
    "water": (
        "Water is made of hydrogen and oxygen. It is one of the few things that grow when they freeze, "
        "which is why ice floats."
    ),
    "fire": (
        "Fire is what we see when something burns, that is, when it joins with oxygen and gives off heat "
        "and light."
    ),
    "volcano": (
        "A volcano is an opening in the Earth's crust. Hot rock, ash and gas come out of it. Many "
        "islands were made by volcanoes."
    ),
    "photosynthesis": (
        "Photosynthesis is how plants make sugar from sunlight, water and carbon dioxide. They give off "
        "oxygen as they do it."
    ),
    "dinosaur": (
        "Dinosaurs lived on Earth for more than 160 million years. Most of them died out 66 million "
        "years ago, after a huge rock struck the Earth. Birds are their living relatives."
    ),
    "paris": (
        "Paris is the capital of France. It lies on the river Seine and is known for the Eiffel Tower, "
        "its museums and its food."
    ),
    "london": (
        "London is the capital of England and of the United Kingdom. It lies on the Thames and is about "
        "two thousand years old."
    ),
    "new york": "New York is the largest city in the United States. Over eight million people live there.",
    "tokyo": (
        "Tokyo is the capital of Japan, and with its suburbs it is one of the largest cities in the world."
    ),
    "berlin": "Berlin is the capital of Germany. It was divided by a wall from 1961 to 1989.",
    "rome": "Rome is the capital of Italy. It was the center of an empire two thousand years ago.",
}

TOPIC_ALIASES: Final[dict[str, str]] = {
    "ocean": "sea",
    "seas": "sea",
    "ai": "artificial intelligence",
    "soccer": "football",
    "bike": "bicycle",
    "world": "earth",
    "planet earth": "earth",
    "planet mars": "mars",
    "kitten": "cat",
    "puppy": "dog",
}
